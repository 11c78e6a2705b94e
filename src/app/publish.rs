//! The merchants' rules on their way into force: those the configuration names, read before anything starts, and
//! whatever a person publishes. What does not load is told with every mistake in place, and never published.

use anyhow::{Context, anyhow, bail};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::config::Config;
use crate::rules::{self, Ruleset};
use crate::store::rulesets;

/// The text of a rules file that the configuration names, and that loads.
pub struct ConfiguredRules {
    pub(super) merchant: String,
    pub(super) file: String,
    pub(super) text: String,
}

/// Reads every rules file the configuration names: a mistake in one is told before anything is started.
pub fn configured_rules(config: &Config) -> anyhow::Result<Vec<ConfiguredRules>> {
    let mut all = Vec::new();
    for merchant in &config.merchants {
        let Some(path) = &merchant.rules else { continue };
        let file = path.display().to_string();
        let bytes = std::fs::read(path)
            .with_context(|| format!("cannot read the rules of merchant `{}` at {file}", merchant.name))?;
        let refused = |shown: String| {
            anyhow!("the rules of merchant `{}` do not load:\n{}", merchant.name, shown.trim_end())
        };
        let text = rules::text_of(bytes).map_err(|(text, problem)| refused(problem.render(&file, &text)))?;
        if let Err(problems) = Ruleset::parse(&text) {
            return Err(refused(problems.iter().map(|p| p.render(&file, &text)).collect()));
        }
        all.push(ConfiguredRules { merchant: merchant.name.clone(), file, text });
    }
    Ok(all)
}

/// Checks rules and puts them in force. What does not load is refused with every mistake shown in place.
pub async fn publish_rules(
    conn: &mut PgConnection,
    merchant: &str,
    file: &str,
    text: &str,
    by: &str,
    now: DateTime<Utc>,
) -> anyhow::Result<rulesets::Published> {
    if let Err(problems) = Ruleset::parse(text) {
        let shown: Vec<String> = problems.iter().map(|p| p.render(file, text)).collect();
        bail!("the rules are not published, because they do not load:\n{}", shown.join("\n"));
    }
    let merchant_id = rulesets::merchant_id(conn, merchant)
        .await?
        .with_context(|| format!("there is no merchant `{merchant}`: name it with an [[account]] first"))?;
    let mut tx = sqlx::Connection::begin(conn).await?;
    let published = rulesets::publish(&mut tx, merchant_id, text, by, now).await?;
    tx.commit().await?;
    if published.changed {
        let (version, cycles) = (published.version, published.cycles);
        tracing::info!(
            merchant.name = merchant,
            version,
            cycles,
            "rules are in force; open cycles are decided again"
        );
    }
    Ok(published)
}
