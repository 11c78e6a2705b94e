// What the drivers share: the addresses of the sandbox, its control port, a receiver of webhooks, and what this program
// says of a signature.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';

export const at = JSON.parse(process.env.SANDBOX);

export async function control(path, body) {
  const options = body === undefined ? {} : {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
  const answer = await fetch(`${at.control}/_sandbox${path}`, options);
  const said = await answer.json();
  assert.equal(answer.status, 200, `${path}: ${JSON.stringify(said)}`);
  return said;
}

// Keeps what it is sent as { headers, body } with the raw body.
export async function receiver() {
  const got = [];
  const server = http.createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
      got.push({ headers: request.headers, body: Buffer.concat(pieces).toString('utf8') });
      response.end();
    });
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const url = `http://127.0.0.1:${server.address().port}/`;
  return { url, got, close: () => server.close() };
}

let checks = 0;
export async function check(name, work) {
  try {
    await work();
    checks += 1;
  } catch (error) {
    console.error(`FAILED ${name}`);
    throw error;
  }
}

// Answers with the error that `work` throws.
export async function thrown(work) {
  try {
    await work();
  } catch (error) {
    return error;
  }
  assert.fail('the SDK took what it should have refused');
}

export function done(sdk) {
  console.log(`${sdk}: ${checks} checks passed`);
  // An SDK's own timers would keep the process for a minute after a connection that was cut.
  process.exit(0);
}

// Whether this program takes a webhook: { secret, body, headers, url, now }, the last two where the provider signs them.
export function ours(provider, { secret, body, headers = {}, url, now }) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'respondby-sdk-'));
  const [secretFile, bodyFile] = ['secret', 'body'].map((name) => path.join(folder, name));
  fs.writeFileSync(secretFile, secret);
  fs.writeFileSync(bodyFile, body);
  const said = spawnSync(process.env.RESPONDBY, [
    'webhook', 'verify', '--provider', provider, '--secret-file', secretFile, '--body', bodyFile,
    ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
    ...(url === undefined ? [] : ['--url', url]),
    ...(now === undefined ? [] : ['--now', String(now)]),
  ]);
  fs.rmSync(folder, { recursive: true });
  assert.ok([0, 1].includes(said.status), String(said.stderr));
  return said.status === 0;
}

// One of the values, by chance.
export const pick = (...from) => from[crypto.randomInt(from.length)];

// A body as a provider might send it, and never twice the same: with all that an encoder may stumble over.
export function payload() {
  const word = () => pick('', 'ä€ß', '"quoted"', 'back\\slash', '\u0000', '😀', crypto.randomBytes(6).toString('hex'));
  const object = { id: crypto.randomUUID(), words: [word(), word()], amount: crypto.randomInt(1_000_000), none: null };
  return JSON.stringify(object, null, pick(0, 2));
}

// Asks an SDK and this program about 60 payloads made on the spot. `make(secret, body)` signs one as the SDK signs, and
// answers with what `ours` takes beside secret and body; `theirs` is the SDK's own verdict on the same.
export async function agree(provider, make, theirs) {
  let genuine = 0;
  for (let n = 0; n < 60; n += 1) {
    const key = crypto.randomBytes(24).toString('base64url');
    const signed = payload();
    const sent = await make(key, signed);
    const body = n % 4 === 1 ? signed.replace('"amount":', '"amount": ') : signed;
    const secret = n % 4 === 2 ? crypto.randomBytes(24).toString('base64url') : key;
    if (n % 4 === 3) {
      const [name, value] = pick(...Object.entries(sent.headers));
      const at = crypto.randomInt(value.length);
      sent.headers[name] = `${value.slice(0, at)}${value[at] === '0' ? '1' : '0'}${value.slice(at + 1)}`;
    }
    const asked = { ...sent, secret, body };
    const verdict = await theirs(asked);
    assert.equal(ours(provider, asked), verdict, JSON.stringify(asked));
    genuine += verdict ? 1 : 0;
  }
  assert.ok(genuine >= 3 && genuine < 45, `${genuine} of 60 were genuine`);
}

export const pdf = Buffer.from('%PDF-1.4 proof of delivery');
