// Drives the official Node library of Adyen at the sandbox, and asks its own validator and ours about the same
// payloads, made on the spot: genuine ones, ones with a field changed, ones under another key.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import adyen from '@adyen/api-library';
import { at, check, control, done, ours, pdf, pick, receiver, thrown } from './bench.mjs';

const { Client, DisputesAPI, HttpClientException, hmacValidator } = adyen;
const validator = new hmacValidator();
// The library speaks TLS and nothing else: what it would send goes to the sandbox by way of this.
const plain = {
  async request(endpoint, body, { apiKey }) {
    const url = endpoint.replace('https://ca-test.adyen.com', at.adyen);
    const headers = { 'content-type': 'application/json', 'x-api-key': apiKey };
    const answer = await fetch(url, { method: 'POST', headers, body });
    const said = await answer.text();
    if (answer.ok) return said;
    const { message, errorCode } = JSON.parse(said);
    throw new HttpClientException({ message, statusCode: answer.status, errorCode, responseBody: said });
  },
};
const client = (apiKey) => new DisputesAPI(new Client({ apiKey, environment: 'TEST' }, plain)).DisputesApi;
const disputes = client(at.adyen_api_key);
const account = { merchantAccountCode: at.adyen_merchant_account };
const inbox = await receiver();
await control('/accounts/adyen/example', { webhook_url: inbox.url });
const open = async (order = {}) => (await control('/disputes', { provider: 'adyen', ...order })).id;
const named = (disputePspReference) => ({ disputePspReference, ...account });
const document = { contentType: 'application/pdf', content: pdf.toString('base64') };

await check('a dispute is defended', async () => {
  const id = await open({ network: 'mc' });
  const offered = await disputes.retrieveApplicableDefenseReasons(named(id));
  assert.ok(offered.disputeServiceResult.success);
  const reason = offered.defenseReasons.find((r) => r.defenseReasonCode === 'GoodsNotReturned');
  assert.deepEqual(
    reason.defenseDocumentTypes.map((t) => [t.defenseDocumentTypeCode, t.requirementLevel, t.available]),
    [['GoodsNotReturned', 'Required', false], ['TIDorInvoice', 'Optional', false]],
  );
  const documents = (...types) => types.map((defenseDocumentTypeCode) => ({ defenseDocumentTypeCode, ...document }));
  const supplied = await disputes.supplyDefenseDocument(
    { ...named(id), defenseDocuments: documents('GoodsNotReturned', 'TIDorInvoice') },
  );
  assert.ok(supplied.disputeServiceResult.success);
  const removed = await disputes.deleteDisputeDefenseDocument({ ...named(id), defenseDocumentType: 'TIDorInvoice' });
  assert.ok(removed.disputeServiceResult.success);
  const defend = () => disputes.defendDispute({ ...named(id), defenseReasonCode: 'GoodsNotReturned' });
  assert.ok((await defend()).disputeServiceResult.success);
  const again = (await defend()).disputeServiceResult;
  assert.deepEqual([again.success, again.errorMessage], [false, 'The dispute is defended already']);
});

await check('a dispute is accepted', async () => {
  const id = await open();
  assert.ok((await disputes.acceptDispute(named(id))).disputeServiceResult.success);
  const unknown = (await disputes.acceptDispute(named('NOSUCHDISPUTE001'))).disputeServiceResult;
  assert.equal(unknown.success, false);
});

await check('errors reach the library whole', async () => {
  const id = await open();
  const stranger = await thrown(() => client('wrong').acceptDispute(named(id)));
  assert.equal(stranger.statusCode, 401);
  const foreign = await thrown(() => disputes.acceptDispute({ ...named(id), merchantAccountCode: 'Other' }));
  assert.deepEqual([foreign.statusCode, foreign.errorCode], [403, '901']);
});

await check('webhooks are signed as the library checks them', async () => {
  await open({ charge: 'order:1\\2' });
  await control('/flush', {});
  assert.ok(inbox.got.length > 0);
  for (const { body } of inbox.got) {
    for (const { NotificationRequestItem: item } of JSON.parse(body).notificationItems) {
      assert.ok(validator.validateHMAC(item, at.adyen_webhook_secret), body);
    }
  }
});

const taken = (item, secret) => {
  const body = JSON.stringify({ live: 'true', notificationItems: [{ NotificationRequestItem: item }] });
  return ours('adyen', { secret, body });
};

await check('its validator and ours agree', async () => {
  const word = () => pick('', 'a:b', 'back\\slash', 'ä€ß', '"quoted"', crypto.randomBytes(6).toString('hex'));
  let genuine = 0;
  for (let n = 0; n < 60; n += 1) {
    const key = crypto.randomBytes(32).toString('hex').toUpperCase();
    const item = {
      pspReference: crypto.randomBytes(8).toString('hex').toUpperCase(),
      originalReference: word(),
      merchantAccountCode: word(),
      merchantReference: word(),
      amount: { value: crypto.randomInt(1_000_000), currency: pick('EUR', 'JPY', 'KWD') },
      eventCode: pick('CHARGEBACK', 'NOTIFICATION_OF_CHARGEBACK', 'AUTHORISATION'),
      eventDate: '2026-03-01T10:00:00+01:00',
      success: pick('true', 'false'),
      additionalData: {},
    };
    if (n % 5 === 0) delete item.originalReference;
    item.additionalData.hmacSignature = validator.calculateHmac(item, key);
    switch (n % 4) {
      case 1: item.amount.value += 1; break;
      case 2: item[pick('pspReference', 'merchantReference', 'merchantAccountCode')] += 'x'; break;
      case 3: item.additionalData.disputeStatus = 'Won'; item.eventDate = '2026-03-02T10:00:00+01:00'; break;
      default:
    }
    const used = n % 7 === 6 ? crypto.randomBytes(32).toString('hex') : key;
    const theirs = validator.validateHMAC(item, used);
    assert.equal(taken(item, used), theirs, JSON.stringify(item));
    genuine += theirs ? 1 : 0;
  }
  assert.ok(genuine > 10 && genuine < 50, `${genuine} of 60 were genuine`);
});

inbox.close();
done('@adyen/api-library (Node)');
