//! Disputes by the names of Stripe's documented test cards, so that people find the case they know from
//! Stripe's own test mode.

use anyhow::bail;

use super::super::orders::NewDispute;

/// Fills what the card stands for into the fields that the order leaves out.
pub(super) fn with_test_card(order: &NewDispute) -> anyhow::Result<NewDispute> {
    let mut order = order.clone();
    let Some(card) = order.test_card.take() else { return Ok(order) };
    let name = card.trim_start_matches("pm_card_").trim_start_matches("tok_");
    match name {
        "createDispute" | "createMultipleDisputes" => fill(&mut order, "fraudulent", "visa", "10.4"),
        "createDisputeProductNotReceived" => fill(&mut order, "product_not_received", "visa", "13.1"),
        "createDisputeInquiry" => {
            order.inquiry = true;
            fill(&mut order, "general", "amex", "S01");
        }
        "createCe3EligibleDispute" => {
            order.ce3.get_or_insert_with(|| "requires_action".to_owned());
            fill(&mut order, "fraudulent", "visa", "10.4");
        }
        "createComplianceDispute" => {
            order.compliance_fee = true;
            fill(&mut order, "noncompliant", "visa", "Compliance");
        }
        "createMastercardComplianceDispute" => {
            order.compliance_fee = true;
            fill(&mut order, "noncompliant", "mastercard", "Compliance");
        }
        "createAutoRepresentmentEligibleDispute" => fill(&mut order, "fraudulent", "visa", "10.4"),
        "createRapidDisputeResolutionDispute" => prevented(&mut order, "resolution", "visa", "10.4"),
        "createCe3BlockDispute" => prevented(&mut order, "block", "visa", "10.4"),
        "createEthocaAlert" => prevented(&mut order, "resolution", "mastercard", "4837"),
        other => bail!("`{other}` is not one of Stripe's dispute test cards (`createDispute`, …)"),
    }
    Ok(order)
}

fn fill(order: &mut NewDispute, reason: &str, network: &str, code: &str) {
    order.reason.get_or_insert_with(|| reason.to_owned());
    order.network.get_or_insert_with(|| network.to_owned());
    order.network_reason_code.get_or_insert_with(|| code.to_owned());
}

fn prevented(order: &mut NewDispute, case_type: &str, network: &str, code: &str) {
    order.status.get_or_insert_with(|| "prevented".to_owned());
    order.case_type.get_or_insert_with(|| case_type.to_owned());
    fill(order, "fraudulent", network, code);
}
