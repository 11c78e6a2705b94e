-- The schema after every migration, for people to read; nothing runs this file.
-- Renew it: RESPONDBY_RENEW_SCHEMA=1 cargo test --test it schema

CREATE OR REPLACE FUNCTION public.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    raise exception '% is append-only: a row is never changed or removed', tg_table_name
        using errcode = 'restrict_violation';
end
$function$;

create sequence ids as bigint increment 1000 start 1000 cache 1;

create table accounts (
    merchant_id bigint not null,
    account_id bigint not null,
    provider text not null,
    name text not null,
    base_url text,
    tolerance_s integer not null,
    webhook_secrets bytea[] not null,
    credentials bytea not null,
    updated_at timestamp with time zone not null,
    retired_at timestamp with time zone,
    provider_account text,
    via text,
    constraint accounts_address_key UNIQUE (provider, name),
    constraint accounts_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchants(merchant_id),
    constraint accounts_name_shape CHECK ((name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'::text)),
    constraint accounts_pkey PRIMARY KEY (merchant_id, account_id),
    constraint accounts_tolerance_sane CHECK (((tolerance_s >= 1) AND (tolerance_s <= 86400))),
    constraint accounts_via_names_one CHECK (((via IS NULL) OR ((provider_account IS NOT NULL) AND (via <> name))))
);
CREATE UNIQUE INDEX accounts_connected_key ON public.accounts USING btree (provider, via, provider_account) WHERE ((via IS NOT NULL) AND (retired_at IS NULL));

create table actions (
    merchant_id bigint not null,
    action_id bigint not null,
    dispute_id bigint not null,
    cycle_n integer not null,
    account_id bigint not null,
    kind text not null,
    subject text not null,
    irreversible boolean not null,
    state text not null,
    due_at timestamp with time zone,
    fence bigint not null,
    leased_until timestamp with time zone,
    generation integer not null,
    sent_at timestamp with time zone,
    attempts integer not null,
    packet_id bigint,
    wanted_at timestamp with time zone not null,
    done_at timestamp with time zone,
    note text,
    constraint actions_done_when CHECK (((state = 'done'::text) = (done_at IS NOT NULL))),
    constraint actions_due_when CHECK (((state = ANY (ARRAY['wanted'::text, 'sent'::text, 'unknown'::text])) = (due_at IS NOT NULL))),
    constraint actions_irreversible_kinds CHECK ((irreversible = (kind = ANY (ARRAY['accept'::text, 'submit'::text])))),
    constraint actions_kind_known CHECK ((kind = ANY (ARRAY['accept'::text, 'submit'::text, 'stage_evidence'::text, 'upload'::text, 'keep_manual'::text, 'fetch'::text, 'pull_facts'::text]))),
    constraint actions_one_intent UNIQUE (merchant_id, dispute_id, cycle_n, kind, subject),
    constraint actions_pkey PRIMARY KEY (merchant_id, action_id),
    constraint actions_sent_when CHECK (((state <> ALL (ARRAY['sent'::text, 'unknown'::text])) OR (NOT irreversible) OR (sent_at IS NOT NULL))),
    constraint actions_state_known CHECK ((state = ANY (ARRAY['wanted'::text, 'sent'::text, 'unknown'::text, 'done'::text, 'refused'::text, 'cancelled'::text])))
);
CREATE INDEX actions_due ON public.actions USING btree (due_at) WHERE (due_at IS NOT NULL);
CREATE UNIQUE INDEX actions_one_irreversible ON public.actions USING btree (merchant_id, dispute_id, cycle_n) WHERE (irreversible AND (state = ANY (ARRAY['wanted'::text, 'sent'::text, 'unknown'::text, 'done'::text])));

create table alert_sends (
    merchant_id bigint not null,
    alert_id bigint not null,
    round integer not null,
    channel text not null,
    outcome text not null,
    tries integer not null,
    at timestamp with time zone not null,
    error text,
    constraint alert_sends_alert_fkey FOREIGN KEY (merchant_id, alert_id) REFERENCES alerts(merchant_id, alert_id),
    constraint alert_sends_error_when CHECK (((outcome = 'delivered'::text) = (error IS NULL))),
    constraint alert_sends_outcome_known CHECK ((outcome = ANY (ARRAY['delivered'::text, 'failed'::text, 'stopped'::text]))),
    constraint alert_sends_pkey PRIMARY KEY (merchant_id, alert_id, round, channel)
);

create table alerts (
    merchant_id bigint not null,
    alert_id bigint not null,
    dispute_id bigint,
    cycle_n integer,
    kind text not null,
    severity text not null,
    dedupe_key text not null,
    title text not null,
    detail json not null,
    raised_at timestamp with time zone not null,
    state text not null,
    needs_ack boolean not null,
    next_at timestamp with time zone,
    sends integer not null,
    failures integer not null,
    escalation integer not null,
    sent_at timestamp with time zone,
    acknowledged_at timestamp with time zone,
    acknowledged_by text,
    note text,
    fence bigint not null,
    leased_until timestamp with time zone,
    round_at timestamp with time zone,
    budget_at timestamp with time zone,
    digest_id bigint,
    constraint alerts_acknowledged_by CHECK (((acknowledged_at IS NULL) = (acknowledged_by IS NULL))),
    constraint alerts_acknowledged_when CHECK (((state = 'acknowledged'::text) = (acknowledged_at IS NOT NULL))),
    constraint alerts_dedupe_key UNIQUE (merchant_id, dedupe_key),
    constraint alerts_folded_waits CHECK (((digest_id IS NULL) OR (next_at IS NULL))),
    constraint alerts_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchants(merchant_id),
    constraint alerts_page_is_never_folded CHECK (((digest_id IS NULL) OR ((severity <> 'page'::text) AND (NOT needs_ack)))),
    constraint alerts_page_until_acknowledged CHECK (((state <> ALL (ARRAY['raised'::text, 'sent'::text])) OR (NOT needs_ack) OR (next_at IS NOT NULL))),
    constraint alerts_pkey PRIMARY KEY (merchant_id, alert_id),
    constraint alerts_round_when CHECK (((sends = 0) = (round_at IS NULL))),
    constraint alerts_settled_waits CHECK (((state = ANY (ARRAY['raised'::text, 'sent'::text])) OR (next_at IS NULL))),
    constraint alerts_severity_known CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'page'::text]))),
    constraint alerts_state_known CHECK ((state = ANY (ARRAY['raised'::text, 'sent'::text, 'acknowledged'::text, 'resolved'::text])))
);
CREATE INDEX alerts_budget ON public.alerts USING btree (merchant_id, budget_at) WHERE (budget_at IS NOT NULL);
CREATE INDEX alerts_folded ON public.alerts USING btree (merchant_id, digest_id) WHERE ((digest_id IS NOT NULL) AND (state = 'raised'::text));
CREATE INDEX alerts_next ON public.alerts USING btree (next_at) WHERE (next_at IS NOT NULL);
CREATE INDEX alerts_open ON public.alerts USING btree (merchant_id, dispute_id) WHERE (state = ANY (ARRAY['raised'::text, 'sent'::text]));

create table api_keys (
    merchant_id bigint not null,
    key_id bigint not null,
    name text not null,
    digest bytea not null,
    scopes text[] not null,
    created_at timestamp with time zone not null,
    created_by text not null,
    used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    revoked_by text,
    constraint api_keys_digest_is_sha256 CHECK ((octet_length(digest) = 32)),
    constraint api_keys_digest_key UNIQUE (merchant_id, digest),
    constraint api_keys_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchants(merchant_id),
    constraint api_keys_name_shape CHECK ((name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'::text)),
    constraint api_keys_pkey PRIMARY KEY (merchant_id, key_id),
    constraint api_keys_revoked_by CHECK (((revoked_at IS NULL) = (revoked_by IS NULL))),
    constraint api_keys_scopes_known CHECK (((cardinality(scopes) > 0) AND (scopes <@ ARRAY['disputes:read'::text, 'disputes:write'::text])))
);
CREATE UNIQUE INDEX api_keys_one_of_a_name ON public.api_keys USING btree (merchant_id, name) WHERE (revoked_at IS NULL);

create table api_orders (
    merchant_id bigint not null,
    order_id bigint not null,
    key_id bigint not null,
    idempotency_key text,
    digest bytea not null,
    dispute_id bigint not null,
    cycle_n integer,
    ordered_at timestamp with time zone not null,
    answer json,
    answered_at timestamp with time zone,
    caller text not null,
    constraint api_orders_answered_when CHECK (((answer IS NULL) = (answered_at IS NULL))),
    constraint api_orders_digest_is_sha256 CHECK ((octet_length(digest) = 32)),
    constraint api_orders_idempotency_key_length CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255))),
    constraint api_orders_key_fkey FOREIGN KEY (merchant_id, key_id) REFERENCES api_keys(merchant_id, key_id),
    constraint api_orders_one_of_a_name UNIQUE (merchant_id, caller, idempotency_key),
    constraint api_orders_pkey PRIMARY KEY (merchant_id, order_id)
);
CREATE INDEX api_orders_by_age ON public.api_orders USING btree (ordered_at);
CREATE INDEX api_orders_by_dispute ON public.api_orders USING btree (merchant_id, dispute_id, ordered_at);

create table attempts (
    merchant_id bigint not null,
    action_id bigint not null,
    attempt_id bigint not null,
    at timestamp with time zone not null,
    request text not null,
    status integer,
    outcome text not null,
    provider_request_ref text,
    latency_ms bigint not null,
    error text,
    constraint attempts_pkey PRIMARY KEY (merchant_id, action_id, attempt_id)
);

create table cycles (
    merchant_id bigint not null,
    dispute_id bigint not null,
    n integer not null,
    stage text not null,
    state text not null,
    opened_at timestamp with time zone not null,
    respond_by timestamp with time zone not null,
    response text,
    answered_at timestamp with time zone,
    ended_at timestamp with time zone,
    wake_at timestamp with time zone,
    plan json not null,
    plan_kind text not null,
    rule_id text,
    act_at timestamp with time zone,
    page_at timestamp with time zone not null,
    paged_at timestamp with time zone,
    constraint cycles_answered_when CHECK (((state <> 'answered'::text) OR (answered_at IS NOT NULL))),
    constraint cycles_ended_when CHECK (((state = 'open'::text) = (ended_at IS NULL))),
    constraint cycles_open_has_a_wake CHECK (((state = 'open'::text) = (wake_at IS NOT NULL))),
    constraint cycles_page_before_deadline CHECK ((page_at <= respond_by)),
    constraint cycles_pkey PRIMARY KEY (merchant_id, dispute_id, n),
    constraint cycles_response_known CHECK ((response = ANY (ARRAY['accept'::text, 'defend'::text, 'elsewhere'::text, 'nothing'::text]))),
    constraint cycles_response_when CHECK (((state = 'open'::text) = (response IS NULL))),
    constraint cycles_state_known CHECK ((state = ANY (ARRAY['open'::text, 'answered'::text, 'ended'::text])))
) with (fillfactor=50);
CREATE UNIQUE INDEX cycles_one_open ON public.cycles USING btree (merchant_id, dispute_id) WITH (fillfactor='50') WHERE (state = 'open'::text);
CREATE INDEX cycles_wake ON public.cycles USING btree (wake_at) WHERE (wake_at IS NOT NULL);

create table decisions (
    merchant_id bigint not null,
    dispute_id bigint not null,
    decision_id bigint not null,
    cycle_n integer not null,
    at timestamp with time zone not null,
    decided_by text not null,
    ruleset_version integer,
    rule_id text,
    answer text not null,
    act_at timestamp with time zone,
    shadow boolean not null,
    detail text compression lz4 not null,
    constraint decisions_pkey PRIMARY KEY (merchant_id, dispute_id, decision_id)
);
CREATE TRIGGER decisions_append_only BEFORE DELETE OR UPDATE ON public.decisions FOR EACH ROW EXECUTE FUNCTION refuse_change();

create table deliveries (
    merchant_id bigint not null,
    account_id bigint not null,
    delivery_id bigint not null,
    month date not null,
    received_at timestamp with time zone not null,
    source text not null,
    dedupe_key text not null,
    claimed_at timestamp with time zone,
    headers text not null,
    body bytea compression lz4 not null,
    state text not null,
    settled_at timestamp with time zone,
    outcome text,
    note text,
    dispute_id bigint,
    on_behalf_of text,
    constraint deliveries_dedupe_key UNIQUE (merchant_id, account_id, dedupe_key, month),
    constraint deliveries_pkey PRIMARY KEY (merchant_id, delivery_id, month),
    constraint deliveries_settled_how CHECK (((state = 'kept'::text) = (outcome IS NULL))),
    constraint deliveries_settled_when CHECK (((state = 'kept'::text) = (settled_at IS NULL))),
    constraint deliveries_source_known CHECK ((source = ANY (ARRAY['webhook'::text, 'poll'::text, 'read_back'::text, 'receipt'::text]))),
    constraint deliveries_state_known CHECK ((state = ANY (ARRAY['kept'::text, 'settled'::text, 'quarantined'::text])))
) partition by RANGE (month);
CREATE INDEX deliveries_kept ON ONLY public.deliveries USING btree (received_at) WHERE (state = 'kept'::text);
CREATE INDEX deliveries_quarantined ON ONLY public.deliveries USING btree (merchant_id, received_at) WHERE (state = 'quarantined'::text);

create table dismissals (
    merchant_id bigint not null,
    delivery_id bigint not null,
    at timestamp with time zone not null,
    by text not null,
    why text not null,
    outcome text not null,
    note text,
    constraint dismissals_by_somebody CHECK ((by <> ''::text)),
    constraint dismissals_for_a_reason CHECK ((why <> ''::text)),
    constraint dismissals_pkey PRIMARY KEY (merchant_id, delivery_id, at)
);
CREATE TRIGGER dismissals_append_only BEFORE DELETE OR UPDATE ON public.dismissals FOR EACH ROW EXECUTE FUNCTION refuse_change();

create table disputes (
    merchant_id bigint not null,
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
    respond_by timestamp with time zone,
    respond_by_kind text not null,
    opened_at timestamp with time zone not null,
    as_of timestamp with time zone not null,
    closed_at timestamp with time zone,
    submissions integer not null,
    evidence_staged boolean not null,
    past_due boolean not null,
    fee_required boolean not null,
    refunded boolean not null,
    customer_ref text,
    live boolean not null,
    funds_withdrawn_at timestamp with time zone,
    funds_reinstated_at timestamp with time zone,
    follows_ref text,
    seen_at timestamp with time zone not null,
    check_at timestamp with time zone,
    read_as_of timestamp with time zone,
    constraint disputes_amount_not_negative CHECK ((amount_minor >= 0)),
    constraint disputes_closed_when CHECK (((status = ANY (ARRAY['needs_response'::text, 'under_review'::text])) = (closed_at IS NULL))),
    constraint disputes_pkey PRIMARY KEY (merchant_id, dispute_id),
    constraint disputes_ref_key UNIQUE (merchant_id, account_id, dispute_ref),
    constraint disputes_respond_by_kind CHECK ((respond_by_kind = ANY (ARRAY['at'::text, 'not_allowed'::text, 'unstated'::text]))),
    constraint disputes_respond_by_when CHECK (((respond_by_kind = 'at'::text) = (respond_by IS NOT NULL))),
    constraint disputes_stage_known CHECK ((stage = ANY (ARRAY['fraud_notice'::text, 'inquiry'::text, 'chargeback'::text, 'pre_arbitration'::text, 'arbitration'::text, 'compliance'::text]))),
    constraint disputes_status_known CHECK ((status = ANY (ARRAY['needs_response'::text, 'under_review'::text, 'won'::text, 'lost'::text, 'accepted'::text, 'expired'::text, 'cancelled'::text, 'prevented'::text, 'closed'::text])))
);
CREATE INDEX disputes_by_customer ON public.disputes USING btree (merchant_id, customer_ref, opened_at) WHERE (customer_ref IS NOT NULL);
CREATE INDEX disputes_by_payment ON public.disputes USING btree (merchant_id, payment_ref) WHERE (payment_ref IS NOT NULL);
CREATE INDEX disputes_to_check ON public.disputes USING btree (check_at) WHERE (check_at IS NOT NULL);

create table evidence (
    merchant_id bigint not null,
    dispute_id bigint not null,
    field text not null,
    n integer not null,
    words text,
    file_id bigint,
    provider_file_ref text,
    added_at timestamp with time zone not null,
    added_by text not null,
    constraint evidence_dispute_fkey FOREIGN KEY (merchant_id, dispute_id) REFERENCES disputes(merchant_id, dispute_id),
    constraint evidence_one_form CHECK ((num_nonnulls(words, file_id, provider_file_ref) = 1)),
    constraint evidence_pkey PRIMARY KEY (merchant_id, dispute_id, field, n)
);

create table facts (
    merchant_id bigint not null,
    subject text not null,
    facts json not null,
    version integer not null,
    source text not null,
    updated_at timestamp with time zone not null,
    constraint facts_is_an_object CHECK ((json_typeof(facts) = 'object'::text)),
    constraint facts_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchants(merchant_id),
    constraint facts_pkey PRIMARY KEY (merchant_id, subject)
);

create table fetches (
    merchant_id bigint not null,
    account_id bigint not null,
    dispute_ref text not null,
    due_at timestamp with time zone not null,
    attempts integer not null,
    delivery_id bigint,
    last_error text,
    refusals integer default 0 not null,
    of_unknown boolean default false not null,
    refused_at timestamp with time zone,
    asked_at timestamp with time zone not null,
    constraint fetches_account_fkey FOREIGN KEY (merchant_id, account_id) REFERENCES accounts(merchant_id, account_id),
    constraint fetches_pkey PRIMARY KEY (merchant_id, account_id, dispute_ref)
);
CREATE INDEX fetches_due ON public.fetches USING btree (due_at);
CREATE INDEX fetches_of_unknown ON public.fetches USING btree (merchant_id, account_id) WHERE of_unknown;

create table file_uploads (
    merchant_id bigint not null,
    file_id bigint not null,
    account_id bigint not null,
    provider_file_ref text not null,
    expires_at timestamp with time zone,
    constraint file_uploads_file_fkey FOREIGN KEY (merchant_id, file_id) REFERENCES files(merchant_id, file_id),
    constraint file_uploads_pkey PRIMARY KEY (merchant_id, file_id, account_id)
);

create table files (
    merchant_id bigint not null,
    file_id bigint not null,
    name text not null,
    media_type text not null,
    sha256 bytea not null,
    size_bytes bigint not null,
    content bytea not null,
    added_at timestamp with time zone not null,
    added_by text not null,
    constraint files_content_key UNIQUE (merchant_id, sha256, name),
    constraint files_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchants(merchant_id),
    constraint files_pkey PRIMARY KEY (merchant_id, file_id)
);

create table fraud_notices (
    merchant_id bigint not null,
    account_id bigint not null,
    notice_ref text not null,
    payment_ref text,
    charge_ref text,
    fraud_type text not null,
    actionable boolean not null,
    live boolean not null,
    as_of timestamp with time zone not null,
    constraint fraud_notices_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchants(merchant_id),
    constraint fraud_notices_pkey PRIMARY KEY (merchant_id, account_id, notice_ref)
);

create table history (
    merchant_id bigint not null,
    dispute_id bigint not null,
    history_id bigint not null,
    cycle_n integer,
    at timestamp with time zone not null,
    kind text not null,
    cause text not null,
    delivery_id bigint,
    detail json,
    constraint history_pkey PRIMARY KEY (merchant_id, dispute_id, history_id)
);
CREATE TRIGGER history_append_only BEFORE DELETE OR UPDATE ON public.history FOR EACH ROW EXECUTE FUNCTION refuse_change();

create table merchants (
    merchant_id bigint not null,
    name text not null,
    kill_switch_at timestamp with time zone,
    kill_switch_by text,
    ruleset_version integer,
    created_at timestamp with time zone not null,
    constraint merchants_kill_switch_named CHECK (((kill_switch_at IS NULL) = (kill_switch_by IS NULL))),
    constraint merchants_name_key UNIQUE (name),
    constraint merchants_name_shape CHECK ((name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'::text)),
    constraint merchants_pkey PRIMARY KEY (merchant_id),
    constraint merchants_ruleset_fkey FOREIGN KEY (merchant_id, ruleset_version) REFERENCES rulesets(merchant_id, version)
);

create table moved_clock (
    only_row boolean default true not null,
    away_us bigint not null,
    constraint moved_clock_is_one_row CHECK (only_row),
    constraint moved_clock_pkey PRIMARY KEY (only_row)
);

create table packets (
    merchant_id bigint not null,
    packet_id bigint not null,
    dispute_id bigint not null,
    cycle_n integer not null,
    digest bytea not null,
    packet json not null,
    made_at timestamp with time zone not null,
    constraint packets_pkey PRIMARY KEY (merchant_id, packet_id)
);
CREATE TRIGGER packets_append_only BEFORE DELETE OR UPDATE ON public.packets FOR EACH ROW EXECUTE FUNCTION refuse_change();

create table rulesets (
    merchant_id bigint not null,
    version integer not null,
    rules text not null,
    digest bytea not null,
    published_at timestamp with time zone not null,
    published_by text not null,
    constraint rulesets_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchants(merchant_id),
    constraint rulesets_pkey PRIMARY KEY (merchant_id, version),
    constraint rulesets_version_counts CHECK ((version > 0))
);
CREATE TRIGGER rulesets_append_only BEFORE DELETE OR UPDATE ON public.rulesets FOR EACH ROW EXECUTE FUNCTION refuse_change();

create table stopped_channels (
    channel text not null,
    fingerprint bytea not null,
    stopped_at timestamp with time zone not null,
    why text not null,
    constraint stopped_channels_pkey PRIMARY KEY (channel, fingerprint)
);

create table unread_news (
    merchant_id bigint not null,
    dispute_id bigint not null,
    delivery_id bigint not null,
    month date not null,
    constraint unread_news_pkey PRIMARY KEY (merchant_id, dispute_id, delivery_id)
);

create table watermarks (
    merchant_id bigint not null,
    account_id bigint not null,
    changed_until timestamp with time zone not null,
    cursor text,
    listing_since timestamp with time zone,
    next_at timestamp with time zone not null,
    last_poll_at timestamp with time zone,
    last_poll_error text,
    last_webhook_at timestamp with time zone,
    disputes_found_by_poll bigint not null,
    changes_found_by_poll bigint not null,
    fence bigint not null,
    leased_until timestamp with time zone,
    failing_since timestamp with time zone,
    constraint watermarks_account_fkey FOREIGN KEY (merchant_id, account_id) REFERENCES accounts(merchant_id, account_id),
    constraint watermarks_failing_why CHECK (((failing_since IS NULL) OR (last_poll_error IS NOT NULL))),
    constraint watermarks_pkey PRIMARY KEY (merchant_id, account_id)
);
CREATE INDEX watermarks_next ON public.watermarks USING btree (next_at);
