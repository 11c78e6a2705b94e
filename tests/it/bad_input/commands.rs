//! Configurations, secrets and databases with something wrong, and exactly what the person who starts the program
//! reads. The rows are here; the answers are beside them, in `snapshots`, to be read like the rows.

use std::net::TcpListener;

use respondby::store::MIGRATOR;

use super::{KEY, ONE_ACCOUNT, Said, of_one_provider, respondby};
use crate::support::Database;

/// What is wrong, what is run, and what differs from the folder that works.
struct Row<'a> {
    what: &'a str,
    words: &'a [&'a str],
    files: Vec<(&'a str, Vec<u8>)>,
    environment: Vec<(&'a str, String)>,
}

impl Row<'_> {
    /// What it answers, with `{…}` in the place of what is not the same everywhere.
    fn answer(&self, places: &[(&str, &str)]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
        for (name, text) in [
            ("key", KEY),
            ("secret", "made-up"),
            ("signing", SIGNING),
            ("address", "https://hooks.example/made-up"),
            ("rules.toml", RULES),
        ] {
            write(name, text.as_bytes());
        }
        self.files.iter().for_each(|(name, bytes)| write(name, bytes));
        let run = respondby(self.words).dir(dir.path());
        let run = self.environment.iter().fold(run, |run, (name, value)| run.env(name, value));
        let Said { code, out, err } = run.said();
        // What is logged before has the time in it.
        let err: String = err.split_inclusive('\n').filter(|line| !line.starts_with('{')).collect();
        let answer =
            format!("## {}\n$ respondby {}\n{out}{err}-- exit {code}\n", self.what, self.words.join(" "));
        assert!(!answer.contains("hunter2") && !answer.contains("made-up"), "a secret is told:\n{answer}");
        let dir = dir.path().display().to_string();
        let all = places.iter().copied().chain([("{dir}", dir.as_str())]);
        all.fold(answer, |answer, (name, place)| answer.replace(place, name))
    }
}

const RULES: &str = "schema = 1\ndefault = { hold = { why = \"none\" } }\n";

/// A secret that can sign.
const SIGNING: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

const CHECK: &[&str] = &["serve", "--check", "--config", "respondby.toml"];
const SERVE: &[&str] = &["serve", "--config", "respondby.toml"];
const MIGRATE: &[&str] = &["migrate"];

fn configured<'a>(what: &'a str, text: &str) -> Row<'a> {
    let files = vec![("respondby.toml", text.as_bytes().to_vec())];
    Row { what, words: CHECK, files, environment: Vec::new() }
}

/// [`ONE_ACCOUNT`] with something else in the place of `from`.
fn changed<'a>(what: &'a str, from: &str, to: &str) -> Row<'a> {
    assert_eq!(ONE_ACCOUNT.matches(from).count(), 1, "{from}");
    configured(what, &ONE_ACCOUNT.replace(from, to))
}

/// [`ONE_ACCOUNT`] and one that is reached via it, with something else in the place of `from`.
fn connected<'a>(what: &'a str, from: &str, to: &str) -> Row<'a> {
    let connected = "[[account]]\nmerchant = \"acme\"\nprovider = \"stripe\"\nname = \"acme-de\"\n\
                     provider_account = \"acct_7\"\nvia = \"acme-eu\"\n";
    let text = format!("{ONE_ACCOUNT}{connected}");
    assert!(from.is_empty() || text.matches(from).count() == 1, "{from}");
    configured(what, &if from.is_empty() { text } else { text.replace(from, to) })
}

fn with_variable<'a>(what: &'a str, name: &'a str, value: &str) -> Row<'a> {
    let environment = vec![(name, value.to_owned())];
    Row { environment, ..configured(what, ONE_ACCOUNT) }
}

fn snapshot(name: &str, rows: &[Row<'_>], places: &[(&str, &str)]) {
    let answers: Vec<String> = rows.iter().map(|row| of_one_provider(row.answer(places))).collect();
    insta::assert_snapshot!(name, answers.join("\n"));
}

#[test]
fn a_mistake_in_the_configuration_is_told_with_its_place_and_what_would_be_right() {
    let rows = [
        configured("nothing is wrong", ONE_ACCOUNT),
        configured("a key nobody knows", "[http]\nlistn = \"x\"\n"),
        configured("a section nobody knows", "[htp]\nlisten = \"x\"\n"),
        configured("text where a number stands", "[http]\nbody_bytes_max = \"1 MiB\"\n"),
        configured("no address", "[http]\nlisten = \"localhost\"\n"),
        configured("not TOML", "[http]\nlisten = \n"),
        configured("a key twice", "a = 1\na = 2\n"),
        Row {
            files: vec![("respondby.toml", b"[log]\nfilter = \"caf\xe9\"\n".to_vec())],
            ..configured("not UTF-8", "")
        },
        Row { words: &["serve", "--check", "--config", "none.toml"], ..configured("not there", "") },
        Row { words: &["serve", "--check", "--config", "."], ..configured("a folder", "") },
        Row {
            words: MIGRATE,
            environment: vec![("RESPONDBY_CONFIG", "respondby.toml".into())],
            ..configured("found by every command", "[intake]\nwritters = 3\n")
        },
        configured("too few", "[intake]\nwriters = 0\n"),
        configured("less than nothing", "[intake]\nwriters = -1\n"),
        configured("a fraction", "[intake]\nwriters = 2.5\n"),
        configured("10^18", "[intake]\nqueue_max = 1000000000000000000\n"),
        configured("a word nobody knows", "[worker]\nroles = [\"intake\", \"wroker\"]\n"),
        configured("nothing to do", "[worker]\nroles = []\n"),
        configured("a lease shorter than a call", "[worker]\nlease_s = 30\n"),
        configured("a call longer than a lease", "[providers.stripe]\ntotal_timeout_ms = 120000\n"),
        configured("text where a fraction stands", "[reconcile]\ncalls_per_s = \"two\"\n"),
        configured("gRPC keys for all to see", "[grpc]\nlisten = \"0.0.0.0:50051\"\n"),
        configured("a certificate without its key", "[grpc]\ntls_certificate = \"rules.toml\"\n"),
        configured("a key without its certificate", "[grpc]\ntls_key = \"file:secret\"\n"),
        configured("no certificate", "[grpc]\ntls_certificate = \"rules.toml\"\ntls_key = \"file:secret\"\n"),
        configured(
            "a certificate that is not there",
            "[grpc]\ntls_certificate = \"none.pem\"\ntls_key = \"file:secret\"\n",
        ),
        configured("credentials of callers", "[grpc]\ncaller_credentials = \"used\"\n"),
        configured("a word for plaintext", "[grpc]\nplaintext = \"yes\"\n"),
        configured("no filter", "[log]\nfilter = \"respondby=loud\"\n"),
        configured("an address of another kind", "[facts]\nurl = \"ftp://x\"\n"),
        configured("a slash too many", "[facts]\nurl = \"https://x/\"\n"),
        configured("another database", "[database]\nurl = \"mysql://x\"\n"),
        configured("a secret in plain sight", "[facts]\nsecret = \"hunter2hunter2\"\n"),
        configured("a variable that is not set", "[facts]\nsecret = \"env:NOPE\"\n"),
        configured("a secret of no name", "[facts]\nsecret = \"file:\"\n"),
        configured("a name with a blank", "[[merchant]]\nname = \"Acme Inc\"\n"),
        configured("a merchant twice", "[[merchant]]\nname = \"a\"\n[[merchant]]\nname = \"a\"\n"),
        configured("a merchant without a name", "[[merchant]]\nrules = \"rules.toml\"\n"),
        configured("rules that are not there", "[[merchant]]\nname = \"a\"\nrules = \"no.toml\"\n"),
        configured(
            "a channel without a secret",
            "[[alerts.channel]]\nname = \"ops\"\nkind = \"webhook\"\nurl = \"file:address\"\n",
        ),
        configured(
            "a channel nobody made",
            "[[alerts.channel]]\nname = \"ops\"\nkind = \"slack\"\nurl = \"file:address\"\n[[alerts.route]]\nchannels = [\"opps\"]\n",
        ),
        changed("a provider nobody knows", "provider = \"stripe\"", "provider = \"strip\""),
        changed("a merchant nobody made", "merchant = \"acme\"", "merchant = \"amce\""),
        changed("no webhook secret", "[\"file:secret\"]", "[]"),
        changed("a secret file that is not there", "[\"file:secret\"]", "[\"file:secrets/whsec\"]"),
        Row {
            files: vec![("respondby.toml", ONE_ACCOUNT.into()), ("secret", Vec::new())],
            ..configured("a secret file that is empty", "")
        },
        changed("no credential", "{ api_key = \"file:secret\" }", "{}"),
        changed("a credential nobody asks for", "api_key = ", "api_kee = "),
        changed("another provider's credentials", "\"stripe\"", "\"razorpay\""),
        changed(
            "a setting nobody asks for",
            "credentials =",
            "settings = { merchant_account = \"X\" }\ncredentials =",
        ),
        changed(
            "a secret among the settings",
            "credentials = { api_key = \"file:secret\" }",
            "settings = { api_key = \"x\" }",
        ),
        changed("a setting that is no text", "credentials =", "settings = { x = 7 }\ncredentials ="),
        configured("a provider's table nobody knows", "[providers.strip]\nbase_url = \"https://x\"\n"),
        configured("a provider's key nobody knows", "[providers.stripe]\nfile_url = \"https://x\"\n"),
        configured("a key of another provider", "[providers.razorpay]\nfiles_url = \"https://x\"\n"),
        configured("a provider's address of another kind", "[providers.stripe]\nfiles_url = \"ftp://x\"\n"),
        configured("a provider's number as text", "[providers.stripe]\nread_timeout_ms = \"soon\"\n"),
        configured("a provider that is no table", "[providers]\nstripe = 7\n"),
        connected("an account reached via another", "", ""),
        connected("via nobody", "via = \"acme-eu\"", "via = \"acme-ue\""),
        connected("via itself", "via = \"acme-eu\"", "via = \"acme-de\""),
        connected("via another, and nobody says who it is", "provider_account = \"acct_7\"\n", ""),
        connected("an id of something else", "acct_7", "cus_7"),
        connected(
            "via another, with a key of its own",
            "via =",
            "credentials = { api_key = \"file:secret\" }\nvia =",
        ),
        connected(
            "the platform itself once more",
            "name = \"acme-eu\"",
            "name = \"acme-eu\"\nprovider_account = \"acct_7\"",
        ),
        connected(
            "the same account twice",
            "[[account]]\nmerchant = \"acme\"\nprovider = \"stripe\"\nname = \"acme-de\"",
            "[[account]]\nmerchant = \"acme\"\nprovider = \"stripe\"\nname = \"acme-fr\"\nvia = \"acme-eu\"\nprovider_account = \"acct_7\"\n[[account]]\nmerchant = \"acme\"\nprovider = \"stripe\"\nname = \"acme-de\"",
        ),
        connected(
            "the same account, reached with a key of its own",
            "[[account]]\nmerchant = \"acme\"\nprovider = \"stripe\"\nname = \"acme-de\"",
            "[[account]]\nmerchant = \"acme\"\nprovider = \"stripe\"\nname = \"acme-fr\"\nprovider_account = \"acct_7\"\ncredentials = { api_key = \"file:secret\" }\nwebhook_secrets = [\"file:secret\"]\n[[account]]\nmerchant = \"acme\"\nprovider = \"stripe\"\nname = \"acme-de\"",
        ),
        connected(
            "via where nobody acts for another",
            "provider = \"stripe\"\nname = \"acme-de\"",
            "provider = \"razorpay\"\nname = \"acme-de\"",
        ),
        changed("no key to seal with", "key = \"file:key\"\n", ""),
        Row {
            files: vec![("respondby.toml", ONE_ACCOUNT.into()), ("key", b"made-up".to_vec())],
            ..configured("a key that is none", "")
        },
        configured("facts that nothing signs", "[facts]\nurl = \"https://shop.example/facts\"\n"),
        configured(
            "a merchant's facts that nothing signs",
            "[[merchant]]\nname = \"a\"\nfacts_url = \"https://shop.example/facts\"\n",
        ),
        configured(
            "a secret that cannot sign",
            "[facts]\nurl = \"https://shop.example/facts\"\nsecret = \"file:secret\"\n",
        ),
        configured(
            "an address without a host",
            "[facts]\nurl = \"https://:80\"\nsecret = \"file:signing\"\n",
        ),
        configured(
            "a channel whose secret cannot sign",
            "[[alerts.channel]]\nname = \"ops\"\nkind = \"webhook\"\nurl = \"file:address\"\nsecret = \"file:secret\"\n",
        ),
        configured(
            "a channel at no address",
            "[[alerts.channel]]\nname = \"ops\"\nkind = \"slack\"\nurl = \"file:secret\"\n",
        ),
        configured(
            "authorities that are not there",
            "[providers.paypal]\ncertificate_authorities = \"/none.pem\"\n",
        ),
        configured("a number among the provider's words", "[providers.paypal]\nrepeats_for_s = \"soon\"\n"),
        configured("no time for a call", "[providers.stripe]\nconnect_timeout_ms = 0\n"),
        configured("no alerts at all", "[alerts]\nper_hour_max = 0\n"),
        configured("looking back not at all", "[reconcile]\nfirst_lookback_s = 0\n"),
        configured("an overlap of a century", "[reconcile]\noverlap_s = 4294967295\n"),
        configured("a key that is gone", "[reconcile]\nquiet_after_s = 3600\n"),
        changed("no tolerance", "\"acme-eu\"", "\"acme-eu\"\ntolerance_s = 1"),
        configured(
            "many at once",
            "[intake]\nwriters = 0\n[[merchant]]\nname = \"A\"\n[secrets]\nkey = \"file:none\"\n",
        ),
        with_variable("a variable nobody knows", "RESPONDBY_HTTP__LISTN", "x"),
        with_variable("a variable out of range", "RESPONDBY_INTAKE__WRITERS", "99"),
        with_variable("a variable with an underscore too few", "RESPONDBY_HTTP_LISTEN", "127.0.0.1:1"),
        with_variable("a variable that may be anybody's", "RESPONDBY_PORT_8787_TCP_ADDR", "10.0.0.1"),
        with_variable("a variable that would be more", "RESPONDBY_HTTP__LISTEN", "a \"b\"\n[x]"),
    ];
    snapshot("configuration", &rows, &[]);
}

#[tokio::test]
async fn what_serve_and_migrate_cannot_start_with_is_told_and_nothing_is_started() {
    let db = Database::new().await;
    let newer = Database::new().await;
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (29991231235959, 'from the future', true, ''::bytea, 0)",
    )
    .execute(&newer.pool)
    .await
    .unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let on = |url: &str| vec![("DATABASE_URL", url.to_owned())];
    let serving =
        |what, text: &str, url: &str| Row { words: SERVE, environment: on(url), ..configured(what, text) };
    let named = ONE_ACCOUNT.replace("name = \"acme\"\n", "name = \"acme\"\nrules = \"rules.toml\"\n");
    let wrong_rules = ("rules.toml", format!("{RULES}[[rule]]\nid = \"a\"\nthne = 1\n").into_bytes());
    let newest = MIGRATOR.iter().map(|m| m.version).max().unwrap().to_string();
    let options = db.pool.connect_options();
    let socket = options.get_socket().expect("the cluster of the tests has a socket").display().to_string();
    let refused = "postgres://somebody:hunter2@127.0.0.1:1/ledger";
    let without_it = db.url.replace(&db.name, "nobody_made_this");
    let rows = [
        Row { words: MIGRATE, environment: on(refused), ..configured("no database to migrate", "") },
        serving("no database", ONE_ACCOUNT, refused),
        serving("a server without this database", ONE_ACCOUNT, &without_it),
        serving("no address of one", ONE_ACCOUNT, "postgres://:hunter2@/%%"),
        Row { words: MIGRATE, environment: on(&newer.url), ..configured("a newer program migrated it", "") },
        serving("the same, to serve", ONE_ACCOUNT, &newer.url),
        serving("no key to seal with", &ONE_ACCOUNT.replace("key = \"file:key\"\n", ""), &db.url),
        Row {
            files: vec![("respondby.toml", ONE_ACCOUNT.into()), ("key", b"made-up".to_vec())],
            ..serving("a key that is none", "", &db.url)
        },
        Row {
            files: vec![("respondby.toml", named.clone().into()), wrong_rules.clone()],
            ..configured("rules that do not load, when the configuration is checked", "")
        },
        Row {
            files: vec![("respondby.toml", named.clone().into()), wrong_rules],
            ..serving("the same, to serve", "", refused)
        },
        Row {
            files: vec![("respondby.toml", named.into()), ("rules.toml", b"# \xff".to_vec())],
            ..serving("rules that are no text", "", refused)
        },
        serving(
            "an address that is taken",
            &format!("{ONE_ACCOUNT}[http]\nlisten = \"{address}\"\n"),
            &db.url,
        ),
    ];
    snapshot(
        "starting",
        &rows,
        &[("{address}", &address), ("{newer}", &newer.name), ("{socket}", &socket), ("{newest}", &newest)],
    );
    let kept: i64 =
        sqlx::query_scalar("select count(*) from merchants").fetch_one(&newer.pool).await.unwrap();
    assert_eq!(kept, 0, "a database that a newer program migrated is left as it is");
}
