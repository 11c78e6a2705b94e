//! What becomes of disputes at the provider, by chance: deadlines that move either way, phases, fees, refunds,
//! answers from a dashboard, verdicts, reversals, and the end of a window that nobody used.

use chrono::{DateTime, TimeDelta, Utc};
use respondby::dispute::{RespondBy, Stage, Status};

use super::provider::{ACCOUNTS, second};
use super::world::{Happening, World};

#[derive(Debug, Clone)]
pub enum Turn {
    Deadline,
    Amount,
    Refund,
    Fee,
    Code,
    Dashboard,
    Withdrawn(Status),
    Phase,
    /// The window ends, if it is this one still.
    Lapse(DateTime<Utc>),
    Verdict(u32),
    Again(u32),
    Reverse,
}

impl World {
    pub fn open(&mut self) {
        let account = usize::try_from(self.chance.number(0..ACCOUNTS.len() as i64)).expect("a place");
        let stages = ACCOUNTS[account].1.stages;
        let stage = self.chance.pick(&stages[..3]).stage;
        let window = self.window();
        let dispute_ref = self.provider.open(account, stage, window, self.now, &mut self.chance);
        if self.chance.per_mille(30) {
            self.provider.change(&dispute_ref, self.now, |record| record.respond_by = RespondBy::NotAllowed);
        }
        self.count("disputes");
        self.begin(&dispute_ref, "created", false);
        self.troubles(&dispute_ref, window);
    }

    fn window(&mut self) -> TimeDelta {
        let hours = *self.chance.pick(&[8, 24, 24, 72, 168, 240, 480]);
        TimeDelta::hours(hours) + self.chance.micros(TimeDelta::zero(), TimeDelta::hours(1))
    }

    /// A response is owed from now on: it is told, and its window ends one day.
    fn begin(&mut self, dispute_ref: &str, name: &str, new_round: bool) {
        self.told_truth(dispute_ref);
        if let RespondBy::At(at) = self.provider.truths[dispute_ref].now.respond_by {
            self.lapse_after(dispute_ref, at);
        }
        self.emit(dispute_ref, name, new_round);
    }

    fn lapse_after(&mut self, dispute_ref: &str, at: DateTime<Utc>) {
        let grace = self.chance.skewed(TimeDelta::seconds(1), TimeDelta::hours(3));
        self.queue.push((at + grace).max(self.now), Happening::Life(dispute_ref.to_owned(), Turn::Lapse(at)));
    }

    fn told_truth(&mut self, dispute_ref: &str) {
        let now = self.provider.truths[dispute_ref].now.clone();
        self.tell(|| {
            format!("the provider: {dispute_ref} {} {} {:?}", now.stage, now.status, now.respond_by)
        });
    }

    fn troubles(&mut self, dispute_ref: &str, window: TimeDelta) {
        let few = self.chance.number(0..4);
        for _ in 0..few {
            let turn = match self.chance.number(0..16) {
                0..=4 => Turn::Deadline,
                5 => Turn::Amount,
                6 => Turn::Refund,
                7 => Turn::Fee,
                8 => Turn::Code,
                9 | 10 => Turn::Dashboard,
                11 => {
                    Turn::Withdrawn(*self.chance.pick(&[Status::Cancelled, Status::Prevented, Status::Won]))
                }
                12 => Turn::Reverse,
                _ => Turn::Phase,
            };
            let wait = self.chance.micros(TimeDelta::seconds(1), window);
            self.soon(wait, Happening::Life(dispute_ref.to_owned(), turn));
        }
    }

    /// After a response at the provider: a verdict, or another round.
    pub fn responded(&mut self, dispute_ref: &str) {
        let truth = &self.provider.truths[dispute_ref];
        let (round, status) = (truth.round, truth.now.status);
        if status == Status::UnderReview {
            let wait = self.chance.skewed(TimeDelta::minutes(1), TimeDelta::days(12));
            let again = self.chance.per_mille(250);
            let turn = if again { Turn::Again(round) } else { Turn::Verdict(round) };
            self.soon(wait, Happening::Life(dispute_ref.to_owned(), turn));
        } else if self.chance.per_mille(100) {
            let wait = self.chance.skewed(TimeDelta::hours(1), TimeDelta::days(12));
            self.soon(wait, Happening::Life(dispute_ref.to_owned(), Turn::Reverse));
        }
    }

    pub fn live(&mut self, dispute_ref: &str, turn: Turn) {
        let truth = &self.provider.truths[dispute_ref];
        let (now, round) = (truth.now.clone(), truth.round);
        let asks = now.status == Status::NeedsResponse;
        match turn {
            Turn::Deadline if asks => self.move_deadline(dispute_ref),
            Turn::Amount => {
                let minor = self.chance.number(1..12_000);
                self.becomes(dispute_ref, "updated", |record| record.amount.minor = minor);
            }
            Turn::Refund => self.becomes(dispute_ref, "updated", |record| record.refunded = true),
            Turn::Fee => {
                self.becomes(dispute_ref, "updated", |record| record.fee_required = !record.fee_required)
            }
            Turn::Code => {
                self.becomes(dispute_ref, "updated", |record| {
                    record.reason.network_code = Some("10.4".into())
                });
            }
            Turn::Dashboard if asks => {
                self.count("answered elsewhere");
                let defends = self.chance.per_mille(600);
                let status = if defends { Status::UnderReview } else { Status::Lost };
                self.provider.truths.get_mut(dispute_ref).expect("it is there").elsewhere = true;
                self.becomes(dispute_ref, "updated", |record| record.status = status);
                self.responded(dispute_ref);
            }
            Turn::Withdrawn(status) if asks => {
                self.becomes(dispute_ref, "closed", |record| record.status = status);
            }
            Turn::Lapse(at) if asks && now.respond_by == RespondBy::At(at) => {
                self.count("lapses");
                let status =
                    *self.chance.pick(&[Status::Lost, Status::Lost, Status::Expired, Status::Closed]);
                self.becomes(dispute_ref, "closed", |record| {
                    (record.status, record.past_due) = (status, true)
                });
            }
            Turn::Verdict(of) if of == round && now.status == Status::UnderReview => {
                let status = *self.chance.pick(&[Status::Won, Status::Lost]);
                self.becomes(dispute_ref, "closed", |record| record.status = status);
                if self.chance.per_mille(150) {
                    let wait = self.chance.skewed(TimeDelta::seconds(1), TimeDelta::days(10));
                    self.soon(wait, Happening::Life(dispute_ref.to_owned(), Turn::Reverse));
                }
            }
            Turn::Again(of) if of == round && now.status == Status::UnderReview => self.again(dispute_ref),
            Turn::Reverse if now.status.is_terminal() => self.reverse(dispute_ref, now.status),
            Turn::Phase => self.phase(dispute_ref),
            Turn::Deadline | Turn::Dashboard | Turn::Withdrawn(_) | Turn::Lapse(_) => {}
            Turn::Verdict(_) | Turn::Again(_) | Turn::Reverse => {}
        }
    }

    fn becomes(
        &mut self,
        dispute_ref: &str,
        name: &str,
        change: impl FnOnce(&mut respondby::dispute::Snapshot),
    ) {
        self.provider.change(dispute_ref, self.now, change);
        self.told_truth(dispute_ref);
        self.emit(dispute_ref, name, false);
    }

    fn move_deadline(&mut self, dispute_ref: &str) {
        self.count("deadlines moved");
        let at = match self.provider.truths[dispute_ref].now.respond_by {
            RespondBy::At(_) if self.chance.per_mille(150) => {
                self.count("windows shut");
                let wait = self.chance.skewed(TimeDelta::seconds(5), TimeDelta::days(2));
                self.soon(wait, Happening::Life(dispute_ref.to_owned(), Turn::Deadline));
                return self
                    .becomes(dispute_ref, "updated", |record| record.respond_by = RespondBy::NotAllowed);
            }
            // A deadline may be moved into the past: nothing is left to do then but to say so.
            RespondBy::At(at) => {
                let by = TimeDelta::minutes(self.chance.number(-3_000..3_000));
                second((at + by).max(self.now - TimeDelta::hours(1)))
            }
            RespondBy::NotAllowed | RespondBy::Unstated => second(self.now + self.window()),
        };
        self.becomes(dispute_ref, "updated", |record| record.respond_by = RespondBy::At(at));
        self.lapse_after(dispute_ref, at);
    }

    fn again(&mut self, dispute_ref: &str) {
        self.count("asked again");
        let respond_by = RespondBy::At(second(self.now + self.window()));
        self.provider.change(dispute_ref, self.now, |record| {
            record.status = Status::NeedsResponse;
            record.respond_by = respond_by;
        });
        self.begin(dispute_ref, "action_required", true);
    }

    fn reverse(&mut self, dispute_ref: &str, from: Status) {
        self.count("reversed");
        match self.chance.number(0..4) {
            0 => self.again(dispute_ref),
            1 => {
                self.becomes(dispute_ref, "updated", |record| record.status = Status::UnderReview);
                self.responded(dispute_ref);
            }
            _ => {
                let to = if from == Status::Won { Status::Lost } else { Status::Won };
                self.becomes(dispute_ref, "updated", |record| record.status = to);
            }
        }
    }

    /// The next phase: the same dispute at one provider, another one of the same payment at the other.
    fn phase(&mut self, dispute_ref: &str) {
        let truth = &self.provider.truths[dispute_ref];
        let can = ACCOUNTS[truth.account].1;
        let next = match truth.now.stage {
            Stage::Inquiry => Stage::Chargeback,
            Stage::Chargeback => Stage::PreArbitration,
            Stage::PreArbitration => Stage::Arbitration,
            Stage::Arbitration | Stage::Compliance | Stage::FraudNotice => return,
        };
        if can.at(next).is_none() {
            return;
        }
        self.count("phases");
        let window = self.window();
        if can.own_id_per_stage {
            self.becomes(dispute_ref, "closed", |record| record.status = Status::Closed);
            let next_ref = self.provider.next_phase(dispute_ref, next, window, self.now, &mut self.chance);
            return self.begin(&next_ref, "created", false);
        }
        let respond_by = RespondBy::At(second(self.now + window));
        self.provider.change(dispute_ref, self.now, |record| {
            (record.stage, record.status) = (next, Status::NeedsResponse);
            record.respond_by = respond_by;
        });
        self.begin(dispute_ref, "updated", false);
    }
}
