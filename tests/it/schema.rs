//! The schema that all migrations together make, committed as `schema.sql`: what a migration changes is seen in
//! review, in one place. Written from the catalogues, so that it is the same under every major version.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sqlx::postgres::PgPool;

use crate::support::Database;

const RENEW: &str = "RESPONDBY_RENEW_SCHEMA";
const HEAD: &str = "-- The schema after every migration, for people to read; nothing runs this file.
-- Renew it: RESPONDBY_RENEW_SCHEMA=1 cargo test --test it schema
";

/// Everything that migrations make, and nothing that running makes: partitions of `deliveries` come by the month.
const OURS: &str =
    "c.relnamespace = 'public'::regnamespace and not c.relispartition and c.relname <> '_sqlx_migrations'";

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/schema.sql")
}

#[tokio::test]
async fn the_committed_schema_is_what_the_migrations_make() {
    let database = Database::new().await;
    let made = dump(&database.pool).await;
    if std::env::var_os(RENEW).is_some() {
        std::fs::write(committed(), &made).expect("the checkout can be written");
    }
    let known = std::fs::read_to_string(committed()).unwrap_or_default();
    let diff = similar::TextDiff::from_lines(known.as_str(), made.as_str());
    let diff =
        diff.unified_diff().context_radius(2).header("tests/it/schema.sql", "the migrations").to_string();
    assert!(
        known == made,
        "the migrations make another schema than the committed one. If that is meant, renew it with\n  \
         {RENEW}=1 cargo test --test it schema\n{diff}"
    );
}

#[tokio::test]
async fn a_change_of_any_kind_shows_in_the_dump_and_a_month_of_deliveries_does_not() {
    let database = Database::new().await;
    let before = dump(&database.pool).await;
    let mut conn = database.pool.acquire().await.unwrap();
    let now = "2031-05-04T12:00:00Z".parse().unwrap();
    respondby::store::deliveries::maintain_months(&mut conn, now).await.unwrap();
    assert_eq!(dump(&database.pool).await, before, "partitions are not of the schema");
    for change in [
        "alter table disputes add column gull integer",
        "alter table disputes alter column live drop not null",
        "alter table disputes alter column live set default true",
        "alter table deliveries alter column body set compression pglz",
        "alter table cycles drop constraint cycles_open_has_a_wake",
        "alter table cycles set (fillfactor = 70)",
        "create index gulls on disputes (gull)",
        "drop trigger history_append_only on history",
        "create sequence gull_numbers",
        "create view gulls_seen as select gull from disputes",
        "create or replace function refuse_change() returns trigger language plpgsql as 'begin return new; end'",
    ] {
        let before = dump(&database.pool).await;
        sqlx::query(change).execute(&mut *conn).await.unwrap();
        assert_ne!(dump(&database.pool).await, before, "not seen: {change}");
    }
}

async fn dump(pool: &PgPool) -> String {
    let mut out = HEAD.to_owned();
    for statement in texts(pool, FUNCTIONS).await {
        write!(out, "\n{};\n", statement.trim_end()).unwrap();
    }
    for statement in texts(pool, &format!("{SEQUENCES_AND_VIEWS} {OURS} order by c.relname")).await {
        write!(out, "\n{statement};\n").unwrap();
    }
    let tables =
        format!("select c.relname from pg_class c where c.relkind in ('r', 'p') and {OURS} order by 1");
    for table in texts(pool, &tables).await {
        let lines = about(pool, TABLE_LINES, &table).await;
        let kept = about(pool, TABLE_TAIL, &table).await.concat();
        write!(out, "\ncreate table {table} (\n    {}\n){kept};\n", lines.join(",\n    ")).unwrap();
        for statement in about(pool, TABLE_REST, &table).await {
            writeln!(out, "{statement};").unwrap();
        }
    }
    out
}

async fn texts(pool: &PgPool, query: &str) -> Vec<String> {
    sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned())).fetch_all(pool).await.unwrap()
}

async fn about(pool: &PgPool, query: &'static str, table: &str) -> Vec<String> {
    sqlx::query_scalar(query).bind(table).fetch_all(pool).await.unwrap()
}

const FUNCTIONS: &str = "
    select pg_get_functiondef(p.oid)
    from pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.prokind in ('f', 'p')
        and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    order by p.proname, pg_get_function_identity_arguments(p.oid)";

const SEQUENCES_AND_VIEWS: &str = "
    select case c.relkind
        when 'S' then format('create sequence %s as %s increment %s start %s cache %s', c.relname, s.data_type,
            s.increment_by, s.start_value, s.cache_size)
        else format(E'create view %s as\n%s', c.relname, rtrim(pg_get_viewdef(c.oid), ';'))
    end
    from pg_class c
    left join pg_sequences s on c.relkind = 'S' and s.schemaname = 'public' and s.sequencename = c.relname
    where c.relkind in ('S', 'v', 'm') and";

/// Columns in their order, then constraints by name.
const TABLE_LINES: &str = "
    select line from (
        select 1 as part, a.attnum as place, '' as name,
            a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
            || case a.attcompression when 'l' then ' compression lz4' when 'p' then ' compression pglz' else '' end
            || case a.attidentity when 'a' then ' generated always as identity'
                when 'd' then ' generated by default as identity' else '' end
            || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
            || case when a.attnotnull then ' not null' else '' end as line
        from pg_attribute a
        left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped
        union all
        select 2, 0, conname, format('constraint %s %s', conname, pg_get_constraintdef(oid))
        from pg_constraint
        where conrelid = $1::regclass and contype in ('c', 'f', 'p', 'u', 'x')
    ) lines
    order by part, place, name";

const TABLE_TAIL: &str = "
    select coalesce(' partition by ' || pg_get_partkeydef(oid), '')
        || coalesce(' with (' || array_to_string(reloptions, ', ') || ')', '')
    from pg_class
    where oid = $1::regclass";

/// Indexes that are no constraint's, and triggers.
const TABLE_REST: &str = "
    select line from (
        select 1 as part, i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as line
        from pg_index i
        where i.indrelid = $1::regclass
            and not exists (select from pg_constraint c where c.conindid = i.indexrelid and c.contype in ('p', 'u', 'x'))
        union all
        select 2, tgname, pg_get_triggerdef(oid)
        from pg_trigger
        where tgrelid = $1::regclass and not tgisinternal
    ) rest
    order by part, name";
