//! Whether one set of conditions leaves anything for another: the part of it that can be proved from the
//! text alone. Says "covers" only when it is certain.

use super::condition::{AmountRange, Condition, FactOp, Test};

/// Whether `earlier` matches every dispute that `later` matches.
pub(super) fn covers(earlier: &[Condition], later: &[Condition]) -> bool {
    earlier.iter().all(|wanted| {
        if later.iter().any(|given| given.negated == wanted.negated && implies(given, wanted)) {
            return true;
        }
        let Test::Any(alternatives) = &wanted.test else { return false };
        !wanted.negated && alternatives.iter().any(|set| covers(set, later))
    })
}

/// Two conditions of one rule that cannot be met together.
pub(super) fn contradiction(conditions: &[Condition]) -> Option<(&Condition, &Condition)> {
    let pairs = conditions.iter().flat_map(|a| conditions.iter().map(move |b| (a, b)));
    pairs.into_iter().find(|(a, b)| {
        let excepted = !a.negated && b.negated && within(&a.test, &b.test);
        let has_and_lacks = match (&a.test, &b.test) {
            (Test::Has(has), Test::Lacks(lacks)) => !a.negated && !b.negated && has & lacks != 0,
            _ => false,
        };
        excepted || has_and_lacks
    })
}

/// Whether `wanted` is met whenever `given` is. Under `unless` the direction turns: an exception that
/// covers more, once it is known not to hold, settles the smaller one too.
fn implies(given: &Condition, wanted: &Condition) -> bool {
    if !wanted.negated {
        return within(&given.test, &wanted.test);
    }
    match &wanted.test {
        // What they do not list is unknown, not failed: only the same exception is certain.
        Test::Amount(_) | Test::Fact(_) | Test::Any(_) | Test::Complete { .. } => given.test == wanted.test,
        Test::Reason(_)
        | Test::Stage(_)
        | Test::Status(_)
        | Test::InTestMode(_)
        | Test::Refunded(_)
        | Test::FeeRequired(_)
        | Test::Has(_)
        | Test::HasAny(_)
        | Test::Lacks(_)
        | Test::TimeLeft(_)
        | Test::Disputes90d(_)
        | Test::DisputesTotal(_)
        | Test::Provider(_)
        | Test::Account(_)
        | Test::Network(_)
        | Test::NetworkCode(_)
        | Test::ProviderReason(_) => within(&wanted.test, &given.test),
    }
}

/// Whether `outer` holds whenever `inner` holds.
fn within(inner: &Test, outer: &Test) -> bool {
    match (inner, outer) {
        (Test::Reason(inner), Test::Reason(outer))
        | (Test::Stage(inner), Test::Stage(outer))
        | (Test::Status(inner), Test::Status(outer))
        | (Test::HasAny(inner), Test::HasAny(outer)) => inner & outer == *inner,
        (Test::Has(inner), Test::Has(outer)) | (Test::Lacks(inner), Test::Lacks(outer)) => {
            inner & outer == *outer
        }
        (Test::Has(inner), Test::HasAny(outer)) => inner & outer != 0,
        (Test::TimeLeft(inner), Test::TimeLeft(outer)) => inner.within(outer),
        (Test::Disputes90d(inner), Test::Disputes90d(outer))
        | (Test::DisputesTotal(inner), Test::DisputesTotal(outer)) => inner.within(outer),
        (Test::Provider(inner), Test::Provider(outer))
        | (Test::Account(inner), Test::Account(outer))
        | (Test::Network(inner), Test::Network(outer))
        | (Test::NetworkCode(inner), Test::NetworkCode(outer))
        | (Test::ProviderReason(inner), Test::ProviderReason(outer)) => {
            inner.iter().all(|word| outer.iter().any(|other| other.eq_ignore_ascii_case(word)))
        }
        (Test::Amount(inner), Test::Amount(outer)) => inner.iter().all(|range| amount_within(range, outer)),
        (Test::Fact(inner), Test::Fact(outer)) => {
            let certain = |op: &FactOp| !matches!(op, FactOp::Present(_));
            let known = inner.tests.iter().any(certain);
            inner.path == outer.path
                && outer
                    .tests
                    .iter()
                    .all(|test| inner.tests.contains(test) || (known && *test == FactOp::Present(true)))
        }
        (inner, outer) => inner == outer,
    }
}

fn amount_within(inner: &AmountRange, outer: &[AmountRange]) -> bool {
    outer.iter().any(|outer| outer.currency == inner.currency && inner.minor.within(&outer.minor))
}
