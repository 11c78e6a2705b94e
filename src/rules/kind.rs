//! One word for each kind of mistake, for programs that read `rules check --json`: messages may be worded
//! better some day, these stay. The tests hold a file for every one of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::dispute::{UnknownWord, words};

words!(
    /// What kind of mistake a [`Problem`](super::Problem) is.
    Kind, "kind of mistake", {
        FileTooLarge = "file_too_large",
        NotUtf8 = "not_utf8",
        NulByte = "nul_byte",
        NotToml = "not_toml",
        EmptyFile = "empty_file",

        NoSchema = "no_schema",
        UnknownSchema = "unknown_schema",
        NoDefault = "no_default",
        DefaultAccepts = "default_accepts",
        MisplacedPart = "misplaced_part",
        RulesNotAList = "rules_not_a_list",
        TooManyRules = "too_many_rules",

        UnknownName = "unknown_name",
        UnknownWord = "unknown_word",
        WrongType = "wrong_type",
        EmptyText = "empty_text",
        EmptyList = "empty_list",
        WordTwice = "word_twice",

        MarginTooShort = "margin_too_short",
        UnknownTimeZone = "unknown_time_zone",
        NotADuration = "not_a_duration",
        NoTime = "no_time",

        NoId = "no_id",
        BadName = "bad_name",
        ReservedId = "reserved_id",
        IdTwice = "id_twice",

        NoAnswer = "no_answer",
        AnswerNotInBraces = "answer_not_in_braces",
        SeveralAnswers = "several_answers",
        NoWhy = "no_why",
        AfterAndLead = "after_and_lead",
        OtherwiseTimed = "otherwise_timed",
        LeadInsideMargin = "lead_inside_margin",

        BadDefenceReason = "bad_defence_reason",
        BadApproval = "bad_approval",
        ApprovalOfNothing = "approval_of_nothing",
        AcceptsAnyAmount = "accepts_any_amount",

        NeverMatches = "never_matches",
        NeverReached = "never_reached",
        AlwaysHolds = "always_holds",
        NoBound = "no_bound",
        EmptyRange = "empty_range",
        NotACount = "not_a_count",
        UnknownAccount = "unknown_account",

        AmountWithoutCurrency = "amount_without_currency",
        AmountWithoutBound = "amount_without_bound",
        AmountNotQuoted = "amount_not_quoted",
        NotAnAmount = "not_an_amount",

        NoCurrencyListed = "no_currency_listed",
        UnknownCurrency = "unknown_currency",
        CurrencyInOneBound = "currency_in_one_bound",
        ForgottenCurrency = "forgotten_currency",

        NoFactNamed = "no_fact_named",
        BadFactName = "bad_fact_name",
        FactWithoutTest = "fact_without_test",
        DateAsValue = "date_as_value",
        ListAsValue = "list_as_value",
        NotANumber = "not_a_number",
        NotAMoment = "not_a_moment",

        NoTemplate = "no_template",
        UnknownTemplate = "unknown_template",
        UnusedTemplate = "unused_template",
        EmptyTemplate = "empty_template",
        CompleteWithoutTemplate = "complete_without_template",

        LoneBrace = "lone_brace",
        UnknownPlaceholder = "unknown_placeholder",
        NotAFileId = "not_a_file_id",
    }
);
