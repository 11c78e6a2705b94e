//! A merchant with an account and disputes, as rows. Builders take only what a test is about.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// When most made-up things happen.
pub fn noon() -> DateTime<Utc> {
    at("2026-11-21T12:00:00Z")
}

pub async fn merchant(pool: &PgPool, merchant_id: i64, name: &str) {
    sqlx::query("insert into merchants (merchant_id, name, created_at) values ($1, $2, $3)")
        .bind(merchant_id)
        .bind(name)
        .bind(noon())
        .execute(pool)
        .await
        .unwrap();
    sqlx::query(
        "insert into accounts (merchant_id, account_id, provider, name, tolerance_s, webhook_secrets, credentials,
            updated_at)
        values ($1, $1 * 10, 'stripe', $2, 300, '{}', '', $3)",
    )
    .bind(merchant_id)
    .bind(format!("{name}-eu"))
    .bind(noon())
    .execute(pool)
    .await
    .unwrap();
}

/// A dispute over EUR 42.50 that asks for a response by a day after noon, with its first cycle open.
pub async fn dispute(pool: &PgPool, merchant_id: i64, dispute_id: i64) {
    sqlx::query(
        "insert into disputes (merchant_id, dispute_id, account_id, dispute_ref, payment_ref, charge_ref, stage,
            status, provider_status, amount_minor, currency, category, provider_reason, respond_by,
            respond_by_kind, opened_at, as_of, submissions, evidence_staged, past_due, fee_required, refunded,
            live, seen_at)
        values ($1, $2, $1 * 10, 'dp_' || $2, 'pi_' || $2, 'ch_' || $2, 'chargeback', 'needs_response',
            'needs_response', 4250, 'EUR', 'fraud', 'fraudulent', $4, 'at', $3, $3, 0, false, false, false,
            false, true, $3)",
    )
    .bind(merchant_id)
    .bind(dispute_id)
    .bind(noon() - TimeDelta::days(3))
    .bind(noon() + TimeDelta::days(1))
    .execute(pool)
    .await
    .unwrap();
    sqlx::query(
        "insert into cycles (merchant_id, dispute_id, n, stage, state, opened_at, respond_by, wake_at, plan,
            plan_kind, page_at)
        values ($1, $2, 1, 'chargeback', 'open', $3, $4, $4, '{}', 'hold', $4)",
    )
    .bind(merchant_id)
    .bind(dispute_id)
    .bind(noon() - TimeDelta::days(3))
    .bind(noon() + TimeDelta::days(1))
    .execute(pool)
    .await
    .unwrap();
}

/// The provider's record shows a response to the dispute's first cycle, as of `at`.
pub async fn answer(pool: &PgPool, dispute_id: i64, at: DateTime<Utc>) {
    let done = sqlx::query(
        "update cycles
        set state = 'answered', response = 'elsewhere', answered_at = $2, ended_at = $2, wake_at = null
        where dispute_id = $1 and n = 1",
    )
    .bind(dispute_id)
    .bind(at)
    .execute(pool)
    .await
    .unwrap();
    assert_eq!(done.rows_affected(), 1);
}
/// Publishes these rules for the merchant.
pub async fn rules(pool: &PgPool, merchant_id: i64, rules: &str) {
    sqlx::query(
        "insert into rulesets (merchant_id, version, rules, digest, published_at, published_by)
        values ($1, 1, $2, '', $3, 'a-test')",
    )
    .bind(merchant_id)
    .bind(rules)
    .bind(noon())
    .execute(pool)
    .await
    .unwrap();
    sqlx::query("update merchants set ruleset_version = 1 where merchant_id = $1")
        .bind(merchant_id)
        .execute(pool)
        .await
        .unwrap();
}
