// Requests, and what went wrong with them in the words of the API.

const TIMEOUT_MS = 15_000;

// Something that did not work, as RFC 9457 tells it.
export class Problem extends Error {
  constructor(problem) {
    super(problem.detail || problem.title);
    Object.assign(this, { title: 'It did not work', detail: '', status: 0, retry: true }, problem);
  }
}

const away = (detail) => new Problem({ title: 'The server does not answer', code: 'unreachable', detail });

// The answer of the API at `path` (below where this page is). Throws `Problem`, or an abort of `signal`.
export async function request(path, { method = 'GET', body, signal, accept = 'application/json' } = {}) {
  const bound = AbortSignal.timeout(TIMEOUT_MS);
  const answer = await send(path, { method, body, accept, signal: signal ? AbortSignal.any([signal, bound]) : bound }, signal);
  if (answer.status === 204) return null;
  try {
    return accept === 'application/json' ? await answer.json() : await answer.text();
  } catch (error) {
    signal?.throwIfAborted();
    throw away(`the answer of ${path} broke off (${error.message})`);
  }
}

// An answer that comes in pieces. Its body is the caller's.
export const stream = (path, { headers, signal }) => send(path, { accept: 'text/event-stream', headers, signal }, signal);

async function send(path, { method, body, accept, headers, signal }, stopped) {
  const init = { method, signal, headers: { accept, ...headers }, cache: 'no-store' };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers['content-type'] = 'application/json';
  }
  let answer;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    stopped?.throwIfAborted();
    if (error.name === 'TimeoutError') throw away(`no answer within ${TIMEOUT_MS / 1000} s`);
    throw away('the node is stopped, or out of reach from this browser');
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => null);
  throw new Problem(told?.title ? told : { title: `HTTP ${answer.status}`, status: answer.status, detail: answer.statusText });
}

export const path = (...parts) => ['v1', ...parts.map((part) => encodeURIComponent(part))].join('/');

const HIDDEN_MS = 30_000;
const FAILED_MS_MAX = 30_000;

// Loads again and again: every `every` ms, and more rarely where loading is work (it may take a tenth of the time),
// where nobody looks, and where it fails. `tell(data, problem)` hears of each time. Returns { now, stop }.
export function poll(load, tell, every) {
  const stopper = new AbortController();
  let timer;
  let busy = false;
  let failures = 0;
  const run = async () => {
    if (busy || stopper.signal.aborted) return;
    clearTimeout(timer);
    busy = true;
    const began = performance.now();
    try {
      const data = await load(stopper.signal);
      failures = 0;
      if (!stopper.signal.aborted) tell(data, null);
    } catch (problem) {
      failures += 1;
      if (!stopper.signal.aborted) {
        tell(null, problem);
        if (!(problem instanceof Problem)) console.error(problem);
      }
    }
    busy = false;
    const took = performance.now() - began;
    let wait = Math.max(every, 10 * took);
    if (failures) wait = Math.min(Math.max(wait, every * 2 ** failures), FAILED_MS_MAX);
    if (document.hidden) wait = Math.max(wait, HIDDEN_MS);
    later(wait);
  };
  const later = (wait) => {
    clearTimeout(timer);
    if (!stopper.signal.aborted) timer = setTimeout(run, wait);
  };
  const seen = () => {
    if (!document.hidden) run();
    else if (!busy) later(HIDDEN_MS);
  };
  document.addEventListener('visibilitychange', seen);
  run();
  return {
    now: run,
    stop() {
      stopper.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    },
  };
}
