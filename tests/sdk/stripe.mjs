// Drives the official Node SDK of Stripe at the sandbox.
import assert from 'node:assert/strict';
import Stripe from 'stripe';
import { agree, at, check, control, done, pdf, pick, receiver, thrown } from './bench.mjs';

const { hostname, port } = new URL(at.stripe);
const options = { host: hostname, port, protocol: 'http', maxNetworkRetries: 2, telemetry: false };
const stripe = new Stripe(at.stripe_api_key, options);
const inbox = await receiver();
await control('/accounts/stripe/example', { webhook_url: inbox.url });
const open = async (order = {}) => (await control('/disputes', { provider: 'stripe', ...order })).id;
const delivered = async () => {
  await control('/flush', {});
  return inbox.got.splice(0);
};
const trouble = (operation, kind, more = {}) =>
  control('/faults/api', { provider: 'stripe', operation, trouble: { kind, ...more } });
const effective = async (id) => {
  const { entries } = await control('/ledger');
  return entries.filter((e) => e.dispute_ref === id && e.result === 'effective').length;
};

await check('lists page by page', async () => {
  const made = [];
  for (let n = 0; n < 25; n += 1) made.push(await open({ amount: 1000 + n }));
  const seen = [];
  for await (const dispute of stripe.disputes.list({ limit: 10 })) seen.push(dispute.id);
  assert.deepEqual(seen, made.reverse());
  const first = await stripe.disputes.retrieve(made[0]);
  const { data } = await stripe.disputes.list({ charge: first.charge, created: { gte: first.created } });
  assert.deepEqual(data.map((d) => d.id), [made[0]]);
});

await check('retrieves and expands', async () => {
  const id = await open({ amount: 4321, currency: 'eur', reason: 'product_not_received' });
  const dispute = await stripe.disputes.retrieve(id, { expand: ['charge', 'payment_intent'] });
  assert.equal(dispute.amount, 4321);
  assert.equal(dispute.currency, 'eur');
  assert.equal(dispute.charge.object, 'charge');
  assert.equal(dispute.payment_intent.latest_charge, dispute.charge.id);
  assert.equal(dispute.evidence_details.submission_count, 0);
});

await check('uploads, stages nested evidence, submits once', async () => {
  const id = await open({ ce3: 'requires_action', network_reason_code: '10.4' });
  const file = { data: pdf, name: 'proof.pdf', type: 'application/pdf' };
  const uploaded = await stripe.files.create({ purpose: 'dispute_evidence', file });
  assert.equal((await stripe.files.retrieve(uploaded.id)).size, pdf.length);
  const staged = await stripe.disputes.update(id, {
    evidence: {
      customer_name: 'Jané & Co+',
      receipt: uploaded.id,
      enhanced_evidence: {
        visa_compelling_evidence_3: {
          disputed_transaction: { merchandise_or_services: 'merchandise', shipping_address: { city: 'Pune' } },
          prior_undisputed_transactions: [{ charge: 'ch_a' }, { charge: 'ch_b', customer_email_address: 'a@b.c' }],
        },
      },
    },
    metadata: { order: '7', gone: '' },
    submit: false,
  });
  assert.equal(staged.status, 'needs_response');
  assert.equal(staged.evidence.customer_name, 'Jané & Co+');
  assert.equal(staged.evidence_details.has_evidence, true);
  const ce3 = staged.evidence.enhanced_evidence.visa_compelling_evidence_3;
  assert.deepEqual(ce3.prior_undisputed_transactions.map((t) => t.charge), ['ch_a', 'ch_b']);
  assert.equal(ce3.disputed_transaction.shipping_address.city, 'Pune');
  const sent = await stripe.disputes.update(id, { submit: true }, { idempotencyKey: `submit-${id}` });
  assert.equal(sent.status, 'under_review');
  assert.equal(sent.evidence_details.submission_count, 1);
  const again = await stripe.disputes.update(id, { submit: true }, { idempotencyKey: `submit-${id}` });
  assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true');
  assert.equal(await effective(id), 1);
  const cleared = await stripe.disputes.update(id, { metadata: '' });
  assert.deepEqual(cleared.metadata, {});
});

await check('closes, and a closed dispute refuses', async () => {
  const id = await open();
  assert.equal((await stripe.disputes.close(id)).status, 'lost');
  const error = await thrown(() => stripe.disputes.update(id, { evidence: { customer_name: 'late' } }));
  assert.equal(error.type, 'StripeInvalidRequestError');
  assert.equal(error.message, 'This dispute is already closed');
});

await check('errors are the classes and codes that the SDK knows', async () => {
  const id = await open();
  const missing = await thrown(() => stripe.disputes.retrieve('dp_nowhere'));
  assert.deepEqual([missing.type, missing.code, missing.statusCode],
    ['StripeInvalidRequestError', 'resource_missing', 404]);
  const unknown = await thrown(() => stripe.disputes.update(id, { evidence: { colour: 'red' }, submit: false }));
  assert.deepEqual([unknown.code, unknown.param], ['parameter_unknown', 'evidence[colour]']);
  const file = await thrown(() => stripe.disputes.update(id, { evidence: { receipt: 'file_x' } }));
  assert.deepEqual([file.code, file.param, file.statusCode], ['resource_missing', 'evidence[receipt]', 400]);
  const limit = await thrown(() => stripe.disputes.list({ limit: 1000 }));
  assert.equal(limit.param, 'limit');
  const stranger = new Stripe('sk_test_stranger', options);
  assert.equal((await thrown(() => stranger.disputes.list())).type, 'StripeAuthenticationError');
  const key = { idempotencyKey: 'one-key' };
  await stripe.disputes.update(id, { metadata: { a: '1' } }, key);
  const reused = await thrown(() => stripe.disputes.update(id, { metadata: { a: '2' } }, key));
  assert.equal(reused.type, 'StripeIdempotencyError');
  const big = { data: Buffer.concat([pdf, Buffer.alloc(5_000_000)]), name: 'big.pdf' };
  const upload = await thrown(() => stripe.files.create({ purpose: 'dispute_evidence', file: big }));
  assert.equal(upload.param, 'file');
});

await check('the SDK repeats what may be repeated, and the effect happens once', async () => {
  for (const kind of ['lock_timeout', 'key_in_use', 'time_out_before_effect', 'time_out_after_effect']) {
    const id = await open();
    await trouble('dispute_submit', kind);
    const sent = await stripe.disputes.update(id, { evidence: { customer_name: kind } });
    assert.equal(sent.status, 'under_review', kind);
    assert.equal(await effective(id), 1, kind);
  }
});

await check('what may not be repeated is thrown', async () => {
  const id = await open();
  await trouble('dispute_accept', 'rate_limited');
  const limited = await thrown(() => stripe.disputes.close(id));
  assert.deepEqual([limited.type, limited.statusCode], ['StripeRateLimitError', 429]);
  await trouble('dispute_fetch', 'html_before_effect');
  const page = await thrown(() => stripe.disputes.retrieve(id));
  assert.equal(page.type, 'StripeAPIError');
  await trouble('dispute_submit', 'server_error_after_effect');
  const failed = await thrown(() => stripe.disputes.update(id, { evidence: { customer_name: 'A' } }));
  assert.equal(failed.statusCode, 500);
  assert.equal((await stripe.disputes.retrieve(id)).status, 'under_review');
});

await check('webhooks verify with the SDK', async () => {
  await delivered();
  const id = await open({ inquiry: true });
  await control(`/disputes/${id}`, { change: 'escalate' });
  await control('/webhooks', { provider: 'stripe', signing: 'forged' });
  await control('/webhooks', { provider: 'stripe', timestamp_offset_s: -301 });
  const got = await delivered();
  const construct = (sent) =>
    stripe.webhooks.constructEvent(sent.body, sent.headers['stripe-signature'], at.stripe_webhook_secret);
  const types = got.slice(0, 3).map((sent) => construct(sent).type);
  assert.deepEqual(types,
    ['charge.dispute.created', 'charge.dispute.updated', 'charge.dispute.funds_withdrawn']);
  assert.equal(construct(got[1]).data.previous_attributes.status, 'warning_needs_response');
  for (const sent of got.slice(3)) {
    const error = await thrown(() => construct(sent));
    assert.equal(error.type, 'StripeSignatureVerificationError');
  }
  const events = await stripe.events.list({ type: 'charge.dispute.*', limit: 3 });
  assert.equal(events.data[0].data.object.id, id);
  assert.equal((await stripe.events.retrieve(events.data[0].id)).id, events.data[0].id);
});

await check('the SDK and this program agree on signatures', async () => {
  const now = Math.floor(Date.now() / 1000);
  const make = async (secret, payload) => {
    const timestamp = now - pick(0, 10, 290, 310, 4000);
    const signature = stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp });
    return { headers: { 'stripe-signature': signature }, now };
  };
  const theirs = ({ secret, body, headers }) => {
    try {
      stripe.webhooks.constructEvent(body, headers['stripe-signature'], secret, undefined, undefined, now * 1000);
      return true;
    } catch (error) {
      assert.equal(error.type, 'StripeSignatureVerificationError');
      return false;
    }
  };
  await agree('stripe', make, theirs);
});

await check('thin notifications verify and lead to the dispute', async () => {
  await delivered();
  await control('/accounts/stripe/example', { settings: { thin_events: 'true' } });
  const id = await open({ inquiry: true });
  const [sent] = await delivered();
  const signature = sent.headers['stripe-signature'];
  const notice = stripe.parseEventNotification(sent.body, signature, at.stripe_webhook_secret);
  assert.equal(notice.type, 'v1.charge.dispute.created');
  assert.equal((await notice.fetchRelatedObject()).id, id);
  assert.equal((await notice.fetchEvent()).id, notice.id);
  await control('/accounts/stripe/example', { settings: { thin_events: 'false' } });
});

await check('early fraud warnings', async () => {
  const { id } = await control('/warnings', { charge: 'ch_warned' });
  const { data } = await stripe.radar.earlyFraudWarnings.list({ charge: 'ch_warned' });
  assert.deepEqual(data.map((w) => w.id), [id]);
  assert.equal((await stripe.radar.earlyFraudWarnings.retrieve(id)).actionable, true);
});

inbox.close();
done('stripe (npm)');
