// Drives the official Node SDK of Checkout.com at the sandbox.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Checkout } from 'checkout-sdk-node';
import { at, check, control, done, pdf, receiver, thrown } from './bench.mjs';

const client = (key) => {
  const checkout = new Checkout(key, { subdomain: 'sandbox0' });
  checkout.config.host = at.checkout;
  return checkout;
};
const checkout = client(at.checkout_api_key);
const inbox = await receiver();
await control('/accounts/checkout/example', { webhook_url: inbox.url });
const open = async (order = {}) => (await control('/disputes', { provider: 'checkout', ...order })).id;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'respondby-sdk-'));
const proof = path.join(folder, 'proof.pdf');
fs.writeFileSync(proof, pdf);
const code = (error) => [error.http_code, error.body?.error_codes?.[0]];

await check('lists and fetches', async () => {
  const made = [await open({ amount: 100 }), await open({ amount: 200 }), await open({ amount: 300 })];
  const page = await checkout.disputes.get({ limit: 2, skip: 1 });
  assert.deepEqual(page.data.map((d) => d.id), [made[1], made[0]]);
  assert.equal(page.total_count, 3);
  const dispute = await checkout.disputes.getDetails(made[2]);
  assert.deepEqual([dispute.amount, dispute.status], [300, 'evidence_required']);
});

await check('uploads, provides, submits', async () => {
  const id = await open();
  const { id: file } = await checkout.files.upload({ file: fs.createReadStream(proof), purpose: 'dispute_evidence' });
  assert.equal((await checkout.files.getFile(file)).purpose, 'dispute_evidence');
  await checkout.disputes.provideEvidence(id, { proof_of_delivery_or_service_file: file });
  await checkout.disputes.provideEvidence(id, { additional_evidence_text: 'It was delivered.' });
  const held = await checkout.disputes.getEvidence(id);
  assert.deepEqual(Object.keys(held).sort(), ['additional_evidence_text', 'proof_of_delivery_or_service_file']);
  await checkout.disputes.submit(id);
  assert.equal((await checkout.disputes.getDetails(id)).status, 'evidence_under_review');
  const again = await thrown(() => checkout.disputes.submit(id));
  assert.deepEqual(code(again), [422, 'dispute_status_not_evidence_required']);
});

await check('accepts', async () => {
  const id = await open();
  await checkout.disputes.accept(id);
  assert.equal((await checkout.disputes.getDetails(id)).status, 'accepted');
});

await check('errors reach the SDK whole', async () => {
  const long = await thrown(async () => checkout.disputes.provideEvidence(await open(), {
    additional_evidence_text: 'x'.repeat(501),
  }));
  assert.deepEqual(code(long), [422, 'additional_evidence_text_too_long']);
  assert.equal((await thrown(() => checkout.disputes.getDetails('dsp_nobody'))).name, 'NotFoundError');
  const stranger = client(`sk_sbox_${'a'.repeat(27)}`);
  assert.equal((await thrown(() => stranger.disputes.get())).name, 'AuthenticationError');
  await control('/faults/api', {
    provider: 'checkout', operation: 'dispute_accept', trouble: { kind: 'rate_limited' },
  });
  const throttled = await thrown(async () => checkout.disputes.accept(await open()));
  assert.equal(throttled.name, 'TooManyRequestsError');
});

// The SDK has no helper for signatures.
await check('webhooks are signed in both envelopes', async () => {
  await control('/flush', {});
  inbox.got.splice(0);
  await open();
  await open({ extra: { old_envelope: true } });
  await control('/webhooks', { provider: 'checkout', signing: 'forged' });
  await control('/flush', {});
  const verdicts = inbox.got.map((sent) => {
    const hmac = crypto.createHmac('sha256', at.checkout_webhook_secret).update(sent.body).digest('hex');
    return sent.headers['cko-signature'] === hmac;
  });
  assert.deepEqual(verdicts, [true, true, false]);
  const [newer, older] = inbox.got.map((sent) => JSON.parse(sent.body));
  assert.ok(newer.timestamp && newer.version && older.created_on && !older.version);
});

inbox.close();
fs.rmSync(folder, { recursive: true });
done('checkout-sdk-node (npm)');
