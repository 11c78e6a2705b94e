// Drives the official Node SDK of Square at the sandbox.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { SquareClient, SquareError, WebhooksHelper } from 'square';
import { agree, at, check, control, done, pdf, pick, receiver, thrown } from './bench.mjs';

const client = (token) => new SquareClient({ token, environment: at.square, maxRetries: 0 });
const square = client(at.square_access_token);
const inbox = await receiver();
await control('/accounts/square/example', { webhook_url: inbox.url });
const open = async (order = {}) => (await control('/disputes', { provider: 'square', ...order })).id;
const code = (error) => {
  assert.ok(error instanceof SquareError, error);
  return [error.statusCode, error.errors[0]?.code];
};

await check('lists and fetches', async () => {
  const made = new Set([await open({ amount: 100 }), await open({ amount: 200 })]);
  const seen = [];
  for await (const dispute of await square.disputes.list()) seen.push(dispute.id);
  assert.deepEqual(new Set(seen), made);
  const { dispute } = await square.disputes.get({ disputeId: seen[0] });
  assert.deepEqual([dispute.state, dispute.amountMoney.currency, dispute.version], ['EVIDENCE_REQUIRED', 'USD', 1]);
});

await check('gives words and a file, and submits', async () => {
  const disputeId = await open();
  const words = {
    disputeId, idempotencyKey: 'words-1', evidenceType: 'REBUTTAL_EXPLANATION', evidenceText: 'It was delivered.',
  };
  const first = await square.disputes.createEvidenceText(words);
  assert.equal((await square.disputes.createEvidenceText(words)).evidence.id, first.evidence.id);
  const reused = await thrown(() => square.disputes.createEvidenceText({ ...words, evidenceText: 'It was not.' }));
  assert.deepEqual(code(reused), [400, 'IDEMPOTENCY_KEY_REUSED']);
  const file = await square.disputes.createEvidenceFile({
    disputeId,
    request: { idempotencyKey: 'file-1', evidenceType: 'PROOF_OF_DELIVERY_DOCUMENTATION', contentType: 'application/pdf' },
    imageFile: new File([pdf], 'proof.pdf', { type: 'application/pdf' }),
  });
  assert.equal(file.evidence.evidenceFile.filename, 'proof.pdf');
  const { dispute } = await square.disputes.submitEvidence({ disputeId });
  assert.equal(dispute.state, 'PROCESSING');
  assert.deepEqual(code(await thrown(() => square.disputes.submitEvidence({ disputeId }))), [400, 'BAD_REQUEST']);
});

await check('accepts', async () => {
  const { dispute } = await square.disputes.accept({ disputeId: await open() });
  assert.equal(dispute.state, 'ACCEPTED');
});

await check('errors reach the SDK whole', async () => {
  assert.deepEqual(code(await thrown(() => square.disputes.get({ disputeId: 'nobody' }))), [404, 'NOT_FOUND']);
  assert.deepEqual(code(await thrown(() => client('EAAAother').disputes.list())), [401, 'UNAUTHORIZED']);
  await control('/faults/api', {
    provider: 'square', operation: 'dispute_accept', trouble: { kind: 'rate_limited' },
  });
  const disputeId = await open();
  assert.deepEqual(code(await thrown(() => square.disputes.accept({ disputeId }))), [429, 'RATE_LIMITED']);
});

await check('webhooks verify with the SDK', async () => {
  await control('/flush', {});
  inbox.got.splice(0);
  await open();
  await control('/webhooks', { provider: 'square', signing: 'forged' });
  await control('/flush', {});
  const verdicts = await Promise.all(inbox.got.map((sent) => WebhooksHelper.verifySignature({
    requestBody: sent.body,
    signatureHeader: sent.headers['x-square-hmacsha256-signature'],
    signatureKey: at.square_webhook_secret,
    notificationUrl: inbox.url,
  })));
  assert.deepEqual(verdicts, [true, false]);
});

await check('the SDK and this program agree on signatures', async () => {
  const name = 'x-square-hmacsha256-signature';
  // The SDK checks signatures and makes none: this is what its documents say one is.
  const make = async (secret, body) => {
    const url = pick('https://shop.example/webhooks/square/main', 'https://shop.example/webhooks/square/main?a=b&c=%20');
    const signature = crypto.createHmac('sha256', secret).update(url + body).digest('base64');
    return { headers: { [name]: signature }, url };
  };
  await agree('square', make, ({ secret, body, headers, url }) => WebhooksHelper.verifySignature({
    requestBody: body, signatureHeader: headers[name], signatureKey: secret, notificationUrl: url,
  }));
});

inbox.close();
done('square (npm)');
