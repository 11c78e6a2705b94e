// Drives the official Node SDK of Razorpay at the sandbox.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Razorpay from 'razorpay';
import { agree, at, check, control, done, pdf, receiver, thrown } from './bench.mjs';

const client = (key_id, key_secret) => {
  const razorpay = new Razorpay({ key_id, key_secret });
  razorpay.api.rq.defaults.baseURL = at.razorpay;
  return razorpay;
};
const razorpay = client(at.razorpay_key_id, at.razorpay_key_secret);
const inbox = await receiver();
await control('/accounts/razorpay/example', { webhook_url: inbox.url });
const open = async (order = {}) => (await control('/disputes', { provider: 'razorpay', ...order })).id;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'respondby-sdk-'));
const proof = path.join(folder, 'proof.pdf');
fs.writeFileSync(proof, pdf);
const upload = async () => {
  const file = { value: fs.createReadStream(proof) };
  return (await razorpay.documents.create({ file, purpose: 'dispute_evidence' })).id;
};
const description = (error) => error.error?.description;

await check('lists and fetches', async () => {
  const made = [await open({ amount: 100 }), await open({ amount: 200 }), await open({ amount: 300 })];
  const page = await razorpay.disputes.all({ count: 2, skip: 1 });
  assert.deepEqual(page.items.map((d) => d.id), [made[1], made[0]]);
  const dispute = await razorpay.disputes.fetch(made[2]);
  assert.deepEqual([dispute.amount, dispute.status, dispute.entity], [300, 'open', 'dispute']);
});

await check('uploads, drafts, submits', async () => {
  const id = await open({ amount: 50_000 });
  const [one, two] = [await upload(), await upload()];
  assert.equal((await razorpay.documents.fetch(one)).mime_type, 'application/pdf');
  const draft = await razorpay.disputes.contest(id, {
    amount: 40_000, summary: 'Delivered on time', shipping_proof: [one], action: 'draft',
  });
  assert.deepEqual([draft.status, draft.evidence.submitted_at], ['open', null]);
  const sent = await razorpay.disputes.contest(id, {
    others: [{ type: 'signed_receipt', document_ids: [two] }], action: 'submit',
  });
  assert.deepEqual([sent.status, sent.evidence.amount], ['under_review', 40_000]);
  assert.deepEqual(sent.evidence.shipping_proof, [one]);
  const again = await thrown(() => razorpay.disputes.contest(id, { action: 'submit' }));
  assert.equal(again.statusCode, 400);
  assert.equal(description(again), 'Action not allowed when dispute is in under_review status');
});

await check('accepts', async () => {
  const id = await open({ amount: 7000 });
  const lost = await razorpay.disputes.accept(id);
  assert.deepEqual([lost.status, lost.amount_deducted], ['lost', 7000]);
});

await check('errors reach the SDK whole', async () => {
  const id = await open({ amount: 100 });
  const too_much = await thrown(() => razorpay.disputes.contest(id, { amount: 101 }));
  assert.equal(description(too_much), 'contest amount cannot be greater than dispute amount');
  const missing = await thrown(() => razorpay.disputes.fetch('disp_00000000000000'));
  assert.equal(description(missing), 'The id provided does not exist');
  const action = await thrown(() => razorpay.disputes.contest(id, { action: 'send' }));
  assert.equal(description(action), 'The selected action is invalid');
  const stranger = await thrown(() => client('rzp_test_x', 'y').disputes.all());
  assert.deepEqual([stranger.statusCode, description(stranger)], [401, 'Authentication failed']);
  await control('/faults/api', {
    provider: 'razorpay', operation: 'dispute_accept', trouble: { kind: 'rate_limited' },
  });
  assert.equal((await thrown(() => razorpay.disputes.accept(id))).statusCode, 429);
  await control('/faults/api', {
    provider: 'razorpay', operation: 'dispute_accept', trouble: { kind: 'time_out_after_effect' },
  });
  await thrown(() => razorpay.disputes.accept(id));
  assert.equal((await razorpay.disputes.fetch(id)).status, 'lost');
});

await check('webhooks verify with the SDK', async () => {
  await control('/flush', {});
  inbox.got.splice(0);
  await open();
  await control('/webhooks', { provider: 'razorpay', signing: 'forged' });
  await control('/flush', {});
  const verdicts = inbox.got.map((sent) => Razorpay.validateWebhookSignature(
    sent.body, sent.headers['x-razorpay-signature'], at.razorpay_webhook_secret));
  assert.deepEqual(verdicts, [true, false]);
  assert.ok(inbox.got[0].headers['x-razorpay-event-id']);
});

await check('the SDK and this program agree on signatures', async () => {
  const name = 'x-razorpay-signature';
  // The SDK checks signatures and makes none: this is what its documents say one is.
  const make = async (secret, body) => {
    const signature = crypto.createHmac('sha256', secret).update(body).digest('hex');
    return { headers: { [name]: signature } };
  };
  await agree('razorpay', make, ({ secret, body, headers }) =>
    Razorpay.validateWebhookSignature(body, headers[name], secret));
});

inbox.close();
fs.rmSync(folder, { recursive: true });
done('razorpay (npm)');
