-- Disputes, their cycles, and what was decided and done about them. The CHECKs repeat the state machine of
-- src/dispute: what they refuse cannot be stored, whatever the code above believes.

create table disputes (
    merchant_id bigint not null references merchants,
    dispute_id bigint not null,
    account_id bigint not null,
    dispute_ref text not null,
    payment_ref text,
    charge_ref text,
    stage text not null,
    status text not null,
    provider_status text not null,
    amount_minor bigint not null,
    currency text not null,
    category text not null,
    provider_reason text not null,
    network_code text,
    network text,
    respond_by timestamptz,
    respond_by_kind text not null,
    opened_at timestamptz not null,
    -- The provider's own time of the newest record applied: later news decides by this, never by arrival.
    as_of timestamptz not null,
    closed_at timestamptz,
    submissions integer not null,
    evidence_staged boolean not null,
    past_due boolean not null,
    fee_required boolean not null,
    refunded boolean not null,
    customer_ref text,
    live boolean not null,
    funds_withdrawn_at timestamptz,
    funds_reinstated_at timestamptz,
    follows_ref text,
    -- When the provider's own record was last seen to be what stands here, by our clock.
    seen_at timestamptz not null,
    -- When it is to be fetched for its own sake, unless news comes first; null once settled.
    check_at timestamptz,
    constraint disputes_pkey primary key (merchant_id, dispute_id),
    constraint disputes_ref_key unique (merchant_id, account_id, dispute_ref),
    constraint disputes_stage_known check (stage in
        ('fraud_notice', 'inquiry', 'chargeback', 'pre_arbitration', 'arbitration', 'compliance')),
    constraint disputes_status_known check (status in
        ('needs_response', 'under_review', 'won', 'lost', 'accepted', 'expired', 'cancelled', 'prevented', 'closed')),
    constraint disputes_closed_when check ((status in ('needs_response', 'under_review')) = (closed_at is null)),
    constraint disputes_respond_by_kind check (respond_by_kind in ('at', 'not_allowed', 'unstated')),
    constraint disputes_respond_by_when check ((respond_by_kind = 'at') = (respond_by is not null)),
    constraint disputes_amount_not_negative check (amount_minor >= 0)
);

create index disputes_by_customer on disputes (merchant_id, customer_ref, opened_at) where customer_ref is not null;
create index disputes_by_payment on disputes (merchant_id, payment_ref) where payment_ref is not null;
create index disputes_to_check on disputes (check_at) where check_at is not null;

-- One window in which one response is owed.
create table cycles (
    merchant_id bigint not null,
    dispute_id bigint not null,
    n integer not null,
    stage text not null,
    state text not null,
    opened_at timestamptz not null,
    respond_by timestamptz not null,
    response text,
    answered_at timestamptz,
    ended_at timestamptz,
    -- P2: an open cycle always has an instant at which it is looked at again.
    wake_at timestamptz,
    -- What is meant to happen, as the engine keeps it (engine::Plan); the columns below are for people's lists.
    plan json not null,
    plan_kind text not null,
    rule_id text,
    act_at timestamptz,
    page_at timestamptz not null,
    paged_at timestamptz,
    constraint cycles_pkey primary key (merchant_id, dispute_id, n),
    constraint cycles_dispute_fkey foreign key (merchant_id, dispute_id) references disputes,
    constraint cycles_state_known check (state in ('open', 'answered', 'ended')),
    constraint cycles_open_has_a_wake check ((state = 'open') = (wake_at is not null)),
    constraint cycles_answered_when check (state <> 'answered' or answered_at is not null),
    constraint cycles_ended_when check ((state = 'open') = (ended_at is null)),
    constraint cycles_response_known check (response in ('accept', 'defend', 'elsewhere', 'nothing')),
    constraint cycles_response_when check ((state = 'open') = (response is null)),
    constraint cycles_page_before_deadline check (page_at <= respond_by)
) with (fillfactor = 80);

create unique index cycles_one_open on cycles (merchant_id, dispute_id) where state = 'open';
-- The scheduler's one index: what is due, and nothing else.
create index cycles_wake on cycles (wake_at) where wake_at is not null;

-- What changed and why. Append-only.
create table history (
    merchant_id bigint not null,
    dispute_id bigint not null,
    history_id bigint not null,
    cycle_n integer,
    at timestamptz not null,
    -- One word of engine::HistoryKind.
    kind text not null,
    -- Who or what caused it: `webhook`, `poll`, `wake`, `person:NAME`, `rules:VERSION` …
    cause text not null,
    delivery_id bigint,
    detail json,
    constraint history_pkey primary key (merchant_id, dispute_id, history_id)
);

create trigger history_append_only before update or delete on history
    for each row execute function refuse_change();

-- A recorded verdict, or a person's command: what was known, what was answered, and why (P8). Append-only.
create table decisions (
    merchant_id bigint not null,
    dispute_id bigint not null,
    decision_id bigint not null,
    cycle_n integer not null,
    at timestamptz not null,
    -- `rules` or `person:NAME`.
    decided_by text not null,
    ruleset_version integer,
    rule_id text,
    answer text not null,
    act_at timestamptz,
    shadow boolean not null,
    -- The answer in full, each condition's result, the rules not tried, and the inputs.
    detail text compression lz4 not null,
    constraint decisions_pkey primary key (merchant_id, dispute_id, decision_id)
);

create trigger decisions_append_only before update or delete on decisions
    for each row execute function refuse_change();

-- A frozen set of evidence, as it is put with or sent to a provider. Append-only.
create table packets (
    merchant_id bigint not null,
    packet_id bigint not null,
    dispute_id bigint not null,
    cycle_n integer not null,
    digest bytea not null,
    packet json not null,
    made_at timestamptz not null,
    constraint packets_pkey primary key (merchant_id, packet_id)
);

create trigger packets_append_only before update or delete on packets
    for each row execute function refuse_change();

-- One external effect wanted. The row is the intent: there is one per cycle, kind and subject, and of the
-- irreversible kinds at most one per cycle may be alive (P4).
create table actions (
    merchant_id bigint not null,
    action_id bigint not null,
    dispute_id bigint not null,
    cycle_n integer not null,
    account_id bigint not null,
    kind text not null,
    -- What it is done to, where a kind can be wanted several times in a cycle (a file's id).
    subject text not null,
    irreversible boolean not null,
    state text not null,
    -- When to look at it; null once nothing is left to do.
    due_at timestamptz,
    -- Raised by each claim: a claimer that lost its lease can no longer write.
    fence bigint not null,
    leased_until timestamptz,
    -- Raised when the provider's record proves that the call before had no effect; part of the idempotency key.
    generation integer not null,
    -- When an irreversible request may first have left this machine, this generation.
    sent_at timestamptz,
    attempts integer not null,
    packet_id bigint,
    wanted_at timestamptz not null,
    done_at timestamptz,
    note text,
    constraint actions_pkey primary key (merchant_id, action_id),
    constraint actions_one_intent unique (merchant_id, dispute_id, cycle_n, kind, subject),
    constraint actions_cycle_fkey foreign key (merchant_id, dispute_id, cycle_n) references cycles,
    constraint actions_kind_known check (kind in ('accept', 'submit', 'stage_evidence', 'upload', 'fetch', 'pull_facts')),
    constraint actions_irreversible_kinds check (irreversible = (kind in ('accept', 'submit'))),
    constraint actions_state_known check (state in ('wanted', 'sent', 'unknown', 'done', 'refused', 'cancelled')),
    constraint actions_due_when check ((state in ('wanted', 'sent', 'unknown')) = (due_at is not null)),
    constraint actions_sent_when check (state not in ('sent', 'unknown') or not irreversible or sent_at is not null),
    constraint actions_done_when check ((state = 'done') = (done_at is not null))
);

create unique index actions_one_irreversible on actions (merchant_id, dispute_id, cycle_n)
    where irreversible and state in ('wanted', 'sent', 'unknown', 'done');
create index actions_due on actions (due_at) where due_at is not null;

-- Every request made for an action, and how it went. Never a body, never a secret.
create table attempts (
    merchant_id bigint not null,
    action_id bigint not null,
    attempt_id bigint not null,
    at timestamptz not null,
    request text not null,
    status integer,
    outcome text not null,
    provider_request_ref text,
    latency_ms bigint not null,
    error text,
    constraint attempts_pkey primary key (merchant_id, action_id, attempt_id)
);
