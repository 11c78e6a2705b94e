"""Drives the official Python SDK of Razorpay at the sandbox."""

import io
import json
import os
import urllib.request

import razorpay
from razorpay.errors import BadRequestError, SignatureVerificationError

AT = json.loads(os.environ["SANDBOX"])


def control(path, body=None):
    encoded = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        AT["control"] + "/_sandbox" + path, encoded, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def client(key_id, key_secret):
    return razorpay.Client(auth=(key_id, key_secret), base_url=AT["razorpay"])


def refused(work, *said):
    try:
        work()
    except BadRequestError as error:
        assert any(text in str(error) for text in said), str(error)
        return
    raise AssertionError(f"taken, though it should have been refused with {said}")


rzp = client(AT["razorpay_key_id"], AT["razorpay_key_secret"])


def open_dispute(**order):
    return control("/disputes", {"provider": "razorpay", **order})["id"]


def upload():
    proof = ("proof.pdf", io.BytesIO(b"%PDF-1.4 proof of delivery"), "application/pdf")
    return rzp.document.create({"file": proof, "purpose": "dispute_evidence"})["id"]


def lists_and_fetches():
    made = [open_dispute(amount=n) for n in (100, 200, 300)]
    page = rzp.dispute.all({"count": 2, "skip": 1})
    assert [d["id"] for d in page["items"]] == [made[1], made[0]], page
    assert rzp.dispute.fetch(made[2])["amount"] == 300


def drafts_and_submits():
    dispute = open_dispute(amount=50_000)
    document = rzp.document.fetch(upload())
    assert document["mime_type"] == "application/pdf", document
    draft = {"summary": "Delivered", "shipping_proof": [document["id"]], "action": "draft"}
    assert rzp.dispute.contest(dispute, draft)["status"] == "open"
    sent = rzp.dispute.contest(dispute, {"amount": 40_000, "action": "submit"})
    assert (sent["status"], sent["evidence"]["amount"]) == ("under_review", 40_000), sent
    refused(lambda: rzp.dispute.accept(dispute), "under_review status")


def accepts():
    dispute = open_dispute(amount=7000)
    assert rzp.dispute.accept(dispute)["status"] == "lost"


def refusals_reach_the_sdk():
    dispute = open_dispute(amount=100)
    refused(lambda: rzp.dispute.contest(dispute, {"amount": 101}), "greater than dispute amount")
    refused(lambda: rzp.dispute.contest(dispute, {"action": "send"}), "selected action is invalid")
    refused(lambda: rzp.dispute.fetch("disp_00000000000000"), "does not exist")
    refused(lambda: client("rzp_test_x", "y").dispute.all(), "Authentication failed")
    control(
        "/faults/api",
        {
            "provider": "razorpay",
            "operation": "dispute_accept",
            "trouble": {"kind": "time_out_after_effect"},
        },
    )
    try:
        rzp.dispute.accept(dispute)
        raise AssertionError("an answer came though the connection was to be closed")
    except OSError:  # what requests raises derives from it
        pass
    assert rzp.dispute.fetch(dispute)["status"] == "lost"


def signatures_verify():
    import hashlib
    import hmac

    body, secret = '{"event":"payment.dispute.won"}', AT["razorpay_webhook_secret"]
    signature = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    assert rzp.utility.verify_webhook_signature(body, signature, secret)
    try:
        rzp.utility.verify_webhook_signature(body + " ", signature, secret)
        raise AssertionError("a changed body verified")
    except SignatureVerificationError:
        pass


CHECKS = [lists_and_fetches, drafts_and_submits, accepts, refusals_reach_the_sdk, signatures_verify]
for check in CHECKS:
    check()
print(f"razorpay (PyPI): {len(CHECKS)} checks passed")
