// What both drivers need: the addresses of the sandbox, its control port, a receiver of webhooks.
import assert from 'node:assert/strict';
import http from 'node:http';

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

export const pdf = Buffer.from('%PDF-1.4 proof of delivery');
