//! Ways in which the machinery around the pure core can be wrong. Each has to be caught by the promises: what
//! cannot fail proves nothing.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    None,
    /// Answers a webhook before it is committed.
    AcknowledgesFirst,
    /// Writes a cycle that was looked at without its next wake.
    LosesWakes,
    /// Claims what is due and looks at it in half a day.
    SleepsIn,
    /// Commits the case, and not the alerts that go with it.
    CommitsHalf,
    /// Tells people once, whether or not anybody acknowledges it.
    PagesOnce,
    /// A call whose answer was lost is made again at once, without a look at the record.
    RepeatsBlindly,
    /// The intent of a call whose answer was lost is forgotten, so that it is wanted anew.
    ForgetsIntents,
    /// Whoever was given an action may carry it out for ever.
    IgnoresFences,
    /// A call whose answer was lost is believed to have gone well.
    BelievesTheBest,
    /// News counts by its arrival.
    TrustsArrival,
    /// Never asks the provider by itself.
    NeverReconciles,
    /// A delivery that nobody understands is put away as if it had been.
    ShrugsOffTheStrange,
    /// What changed the state is not kept where it can be replayed.
    KeepsNoReads,
    /// A published version is edited afterwards.
    EditsPublishedRules,
}

impl Sabotage {
    /// Each with the promise it breaks.
    pub const ALL: [(Sabotage, &'static str); 14] = [
        (Sabotage::AcknowledgesFirst, "P1"),
        (Sabotage::LosesWakes, "P2"),
        (Sabotage::SleepsIn, "P3"),
        (Sabotage::CommitsHalf, "P3"),
        (Sabotage::PagesOnce, "P3"),
        (Sabotage::RepeatsBlindly, "P4"),
        (Sabotage::ForgetsIntents, "P4"),
        (Sabotage::IgnoresFences, "P4"),
        (Sabotage::BelievesTheBest, "P6"),
        (Sabotage::TrustsArrival, "P7"),
        (Sabotage::NeverReconciles, "P5"),
        (Sabotage::ShrugsOffTheStrange, "P6"),
        (Sabotage::KeepsNoReads, "P7"),
        (Sabotage::EditsPublishedRules, "P8"),
    ];
}
