// A server of one's own: its process, its folder, its addresses, and what is asked of it beside the browser.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const START_MS_MAX = 60_000;
const READY = 'Ctrl-C drains and stops';

async function freeAddress() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return `127.0.0.1:${port}`;
}

export class Server {
  static async start(binary) {
    const server = new Server();
    server.binary = binary;
    server.folder = await mkdtemp(join(tmpdir(), 'tidelog-console-'));
    [server.kafka, server.http] = [await freeAddress(), await freeAddress()];
    server.url = `http://${server.http}`;
    await server.begin();
    return server;
  }

  async begin() {
    const flags = ['dev', '--data-dir', join(this.folder, 'data'), '--kafka-listen', this.kafka, '--http-listen', this.http];
    this.process = spawn(this.binary, flags, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.output = '';
    this.process.stderr.on('data', (text) => { this.output = (this.output + text).slice(-20_000); });
    const lines = createInterface({ input: this.process.stdout });
    const ready = new Promise((resolve, reject) => {
      lines.on('line', (line) => { if (line.includes(READY)) resolve(); });
      this.process.once('exit', (code) => reject(new Error(`the server ended (${code}):\n${this.output}`)));
      setTimeout(() => reject(new Error(`not serving after ${START_MS_MAX} ms:\n${this.output}`)), START_MS_MAX).unref();
    });
    await ready.catch(async (problem) => {
      await this.remove();
      throw problem;
    });
  }

  get isAlive() {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  async end(signal = 'SIGTERM') {
    if (!this.isAlive) return;
    const ended = once(this.process, 'exit');
    this.process.kill(signal);
    await ended;
  }

  async remove() {
    await this.end('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }

  // Each on a connection of its own: one that is kept would end with the server, and take the next request with it.
  async ask(path, { method = 'GET', body } = {}) {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const asked = request(`${this.url}${path}`, { method, headers, agent: false, signal: AbortSignal.timeout(60_000) });
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    const [answer] = await once(asked, 'response');
    let text = '';
    for await (const part of answer.setEncoding('utf8')) text += part;
    if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  create(name, partitions = 1, configs = {}) {
    return this.ask('/v1/topics', { method: 'POST', body: { name, partitions, configs } });
  }

  append(topic, records) {
    return this.ask(`/v1/topics/${topic}/records`, { method: 'POST', body: { records } });
  }
}
