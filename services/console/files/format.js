// Numbers, sizes and times for people. Offsets come as numbers or, beyond 2^53-1, as text; here they are BigInt.

const GROUPED = new Intl.NumberFormat('en');
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export const offset = (value) => BigInt(value ?? 0);

// All digits: 1,234,567.
export const exact = (value) => GROUPED.format(value);

// Three digits are enough: 1.23 M.
export function brief(value) {
  const number = Number(value);
  for (const [size, unit] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e4, 'k']]) {
    if (number >= size) return `${digits(number / (unit === 'k' ? 1e3 : size))}\u2009${unit}`;
  }
  return number < 10 && number % 1 ? number.toFixed(1) : exact(Math.round(number));
}

export function bytes(value) {
  let number = Number(value ?? 0);
  let unit = 0;
  while (number >= 1000 && unit < UNITS.length - 1) {
    number /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(number) : digits(number)}\u2009${UNITS[unit]}`;
}

const digits = (number) => (number >= 100 ? exact(Math.round(number)) : number.toFixed(number >= 10 ? 1 : 2));

// Per second; a dash when it is not known yet.
export const rate = (value, unit = brief) => (value === null || value === undefined ? '–' : `${unit(value)}/s`);

export function duration(seconds) {
  const whole = Math.floor(seconds);
  const [d, h, m] = [Math.floor(whole / 86_400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (d) return `${d} d ${h} h`;
  if (h) return `${h} h ${m} min`;
  return m ? `${m} min ${whole % 60} s` : `${whole} s`;
}

const two = (number, length = 2) => String(number).padStart(length, '0');

export function clock(ms) {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return String(ms);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${two(date.getMilliseconds(), 3)}`;
  return date.toDateString() === new Date().toDateString() ? time : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

export const iso = (ms) => (Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms));

export const plural = (count, one, many = `${one}s`) => `${exact(count)} ${Number(count) === 1 ? one : many}`;

// What a setting of Kafka's means where its unit is in its name: "7 d", "1.00 MiB".
export function meaning(name, value) {
  if (!/^\d+$/.test(value)) return '';
  if (name.endsWith('.ms') && Number(value) >= 1000 && Number(value) < 3.2e14) return duration(Number(value) / 1000);
  return name.endsWith('.bytes') && Number(value) >= 1024 && Number(value) < 2 ** 62 ? bytes(value) : '';
}
