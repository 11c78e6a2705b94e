//! Packets in Adyen's words: the reason that is picked, the types that documents get, the letter, the lint.

use bytes::Bytes;

use super::super::defence::{Defence, defence};
use super::super::letter;
use super::super::wire::{Answered, DefenseReason};
use super::{adyen, fixture};
use crate::dispute::{Currency, Money};
use crate::evidence::{Document, Field, Packet, Sending};
use crate::providers::Provider;

fn offered() -> Vec<DefenseReason> {
    serde_json::from_str::<Answered>(fixture!("reasons")).unwrap().defense_reasons
}

/// One reason with these types: `name!` is required, of all `name+` one is, `name~` is the generic one.
fn only(code: &str, types: &[&str]) -> Vec<DefenseReason> {
    let one = |name: &&str| {
        let level = match name.chars().last() {
            Some('!') => "Required",
            Some('+') => "OneOrMore",
            Some('~') => "AlternativeRequired",
            _ => "Optional",
        };
        let name = name.trim_end_matches(['!', '+', '~']);
        serde_json::json!({"defenseDocumentTypeCode": name, "requirementLevel": level, "available": false})
    };
    let types: Vec<_> = types.iter().map(one).collect();
    let reason =
        serde_json::json!([{"defenseReasonCode": code, "satisfied": false, "defenseDocumentTypes": types}]);
    serde_json::from_value(reason).unwrap()
}

fn document(field: Field, name: &str, media_type: &str, bytes: usize) -> Document {
    let content = Bytes::from(vec![7; bytes]);
    Document { field, name: name.to_owned(), media_type: media_type.to_owned(), content }
}

fn pdf(field: Field) -> Document {
    document(field, &format!("{field}.pdf"), "application/pdf", 40)
}

fn packet(reason: Option<&str>, words: &[(Field, &str)]) -> Packet {
    Packet {
        text: words.iter().map(|(f, t)| (*f, (*t).to_owned())).collect(),
        defence_reason: reason.map(str::to_owned),
        ..Packet::default()
    }
}

fn pack(packet: &Packet, documents: &[Document], offered: &[DefenseReason]) -> Result<Defence, String> {
    defence(Sending { packet, documents }, offered, true)
}

fn types(defence: &Defence) -> Vec<&str> {
    defence.documents.iter().map(|d| d.defense_document_type_code.as_str()).collect()
}

#[test]
fn the_reason_is_named_in_our_words_or_adyens_and_otherwise_the_one_that_takes_anything() {
    let rows = [
        (Some("goods_services_received"), "GoodsOrServicesProvided"),
        (Some("services_used"), "GoodsOrServicesProvided"),
        (Some("GoodsOrServicesProvided"), "GoodsOrServicesProvided"),
        (Some("goods_or_services_provided"), "GoodsOrServicesProvided"),
        (Some("authenticated_payment"), "SupplyDefenseMaterial"),
        (None, "SupplyDefenseMaterial"),
    ];
    for (named, wanted) in rows {
        let packet = packet(named, &[]);
        let defence = pack(&packet, &[pdf(Field::ShippingDocumentation)], &offered()).unwrap();
        assert_eq!(defence.reason_code, wanted, "{named:?}");
    }
    // Every word that programs' reasons become and that Adyen has a code for.
    for (named, code) in [
        ("as_described", "GoodsWereAsDescribed"),
        ("goods_as_described", "GoodsWereAsDescribed"),
        ("cancellation_policy_disclosed", "CreditOrCancellationPolicyProperlyDisclosed"),
        ("cancellation_terms", "CancellationTermsFailed"),
    ] {
        let mut several = only("SupplyDefenseMaterial", &["DefenseMaterial!"]);
        for code in
            ["CancellationTermsFailed", "CreditOrCancellationPolicyProperlyDisclosed", "GoodsWereAsDescribed"]
        {
            several.extend(only(code, &["TIDorInvoice!"]));
        }
        let defence = pack(&packet(Some(named), &[]), &[pdf(Field::Receipt)], &several).unwrap();
        assert_eq!(defence.reason_code, code, "{named}");
    }
    let single = only("GoodsNotReturned", &["TIDorInvoice!"]);
    let defence = pack(&packet(None, &[]), &[pdf(Field::Receipt)], &single).unwrap();
    assert_eq!(defence.reason_code, "GoodsNotReturned", "the only one, and none was wanted");
}

#[test]
fn without_a_reason_that_fits_a_person_is_told_which_there_are() {
    let mut two = only("GoodsNotReturned", &["GoodsNotReturned!"]);
    two.extend(only("GoodsWereAsDescribed", &["GoodsWereAsDescribed!"]));
    let told = pack(&packet(None, &[]), &[pdf(Field::Receipt)], &two).unwrap_err();
    assert_eq!(
        told,
        "Adyen offers GoodsNotReturned, GoodsWereAsDescribed, and the rule names no reason: name one of them as the \
         rule's `reason`"
    );
    let told = pack(&packet(Some("credit_issued"), &[]), &[pdf(Field::Receipt)], &two).unwrap_err();
    assert!(told.contains("the reason `credit_issued` is none of them"), "{told}");
    // The only one says something else than what was wanted, and a defence can be sent once.
    let single = only("GoodsNotReturned", &["TIDorInvoice!"]);
    for wanted in ["anything", "goods_services_received", "GoodsWereAsDescribed"] {
        let told = pack(&packet(Some(wanted), &[]), &[pdf(Field::Receipt)], &single).unwrap_err();
        let said = format!("Adyen offers GoodsNotReturned, and the reason `{wanted}` is none of them");
        assert!(told.starts_with(&said), "{told}");
    }
    let none = pack(&packet(None, &[]), &[pdf(Field::Receipt)], &[]).unwrap_err();
    assert_eq!(none, "Adyen offers no reason to defend this dispute with");
}

#[test]
fn each_document_gets_a_type_of_its_own_and_the_fittest() {
    let defended = packet(Some("goods_services_received"), &[]);
    let both = [pdf(Field::Receipt), pdf(Field::ShippingDocumentation)];
    for documents in [both.clone(), [both[1].clone(), both[0].clone()]] {
        let defence = pack(&defended, &documents, &offered()).unwrap();
        let mut found = types(&defence);
        found.sort_unstable();
        assert_eq!(found, ["ProofOfGoodsOrServicesProvided", "TIDorInvoice"]);
    }
    let three = [both[0].clone(), both[1].clone(), pdf(Field::CustomerSignature)];
    let told = pack(&defended, &three, &offered()).unwrap_err();
    assert!(told.contains("no type is left") && told.contains("`customer_signature.pdf`"), "{told}");
}

#[test]
fn a_document_never_stands_for_the_proof_that_it_is_not() {
    let strange = [pdf(Field::UncategorizedFile)];
    for proof in ["ProofOfGoodsOrServicesProvided!", "ProofOfGoodsOrServicesProvided+"] {
        let told = pack(&packet(None, &[]), &strange, &only("GoodsNotReturned", &[proof])).unwrap_err();
        assert!(
            told.contains("ProofOfGoodsOrServicesProvided") && told.contains("no type is left"),
            "{told}"
        );
        // A draft neither: what is supplied under a type stays there.
        let draft = defence(
            Sending { packet: &packet(None, &[]), documents: &strange },
            &only("GoodsNotReturned", &[proof]),
            false,
        );
        assert!(draft.is_err(), "{draft:?}");
    }
    // What takes anything takes it: the type made for that first, then what is welcome or generic.
    for (types_of, taken) in [
        (&["ProofOfGoodsOrServicesProvided!", "DefenseMaterial!", "TIDorInvoice"][..], "DefenseMaterial"),
        (&["ProofOfGoodsOrServicesProvided!", "TIDorInvoice"], "TIDorInvoice"),
        (&["ProofOfGoodsOrServicesProvided!", "Compelling~"], "Compelling"),
    ] {
        let documents = [strange[0].clone(), pdf(Field::ShippingDocumentation)];
        let defence = pack(&packet(None, &[]), &documents, &only("GoodsNotReturned", types_of)).unwrap();
        let mut found = types(&defence);
        found.sort_unstable();
        let mut wanted = vec![taken, "ProofOfGoodsOrServicesProvided"];
        wanted.sort_unstable();
        assert_eq!(found, wanted);
    }
    // One that suits a type gets it, although one that suits none was named before it.
    let invoice = only("GoodsNotReturned", &["TIDorInvoice"]);
    let told = pack(&packet(None, &[]), &[strange[0].clone(), pdf(Field::Receipt)], &invoice).unwrap_err();
    assert!(told.contains("`uncategorized_file.pdf`"), "{told}");
}

#[test]
fn a_letter_is_no_proof() {
    let words = packet(None, &[(Field::Summary, "It arrived.")]);
    for proof in ["ProofOfGoodsOrServicesProvided!", "ProofOfGoodsOrServicesProvided+"] {
        let told = pack(&words, &[], &only("GoodsNotReturned", &[proof])).unwrap_err();
        assert!(told.contains("ProofOfGoodsOrServicesProvided"), "{told}");
        let roomy = pack(&words, &[], &only("GoodsNotReturned", &[proof, "TIDorInvoice"])).unwrap_err();
        assert!(roomy.contains("ProofOfGoodsOrServicesProvided"), "{roomy}");
    }
    let welcome = pack(&words, &[], &only("GoodsNotReturned", &["TIDorInvoice"])).unwrap();
    assert_eq!((types(&welcome), welcome.words_left_out), (vec!["TIDorInvoice"], false));
}

#[test]
fn one_or_more_is_counted_by_type() {
    let levels = ["ProofOfDelivery+", "ProofOfRefund+", "TIDorInvoice"];
    let asked = only("GoodsNotReturned", &levels);
    let told = pack(&packet(None, &[]), &[pdf(Field::Receipt)], &asked).unwrap_err();
    assert!(told.contains("one of ProofOfDelivery, ProofOfRefund"), "{told}");
    let delivery = [pdf(Field::ShippingDocumentation)];
    assert_eq!(types(&pack(&packet(None, &[]), &delivery, &asked).unwrap()), ["ProofOfDelivery"]);
    // One that is with Adyen already is enough, and the other need not be there.
    let mut supplied = asked;
    supplied[0].defense_document_types[1].available = true;
    for documents in [&[pdf(Field::Receipt)][..], &[]] {
        assert!(pack(&packet(None, &[]), documents, &supplied).is_ok());
    }
}

#[test]
fn what_the_reason_requires_must_be_there_unless_it_is_a_draft() {
    let receipt = [pdf(Field::Receipt)];
    let defended = packet(Some("goods_services_received"), &[]);
    let told = pack(&defended, &receipt, &offered()).unwrap_err();
    assert!(told.contains("needs a document of each type") && told.contains("ProofOfGoods"), "{told}");
    let draft = defence(Sending { packet: &defended, documents: &receipt }, &offered(), false).unwrap();
    assert_eq!(types(&draft), ["TIDorInvoice"]);
    // What is with Adyen already need not be sent again.
    let mut supplied = offered();
    supplied[0].defense_document_types.iter_mut().for_each(|t| t.available = true);
    assert!(pack(&defended, &receipt, &supplied).is_ok());
    assert!(pack(&defended, &[], &supplied).unwrap().documents.is_empty());
    let told =
        pack(&packet(None, &[]), &[], &only("SupplyDefenseMaterial", &["DefenseMaterial"])).unwrap_err();
    assert!(told.contains("no defence without a document"), "{told}");
}

#[test]
fn files_that_would_not_be_taken_are_named() {
    let rows = [
        ("text/plain", 10, "`f` is `text/plain`"),
        ("image/tiff", 10, "`f` is `image/tiff`"),
        ("application/pdf", 2_000_001, "`f` has 2000001 bytes, and Adyen takes at most 2000000"),
        ("image/png", 10_000_001, "`f` has 10000001 bytes"),
        ("image/jpeg", 0, "`f` is empty"),
    ];
    for (media_type, size, words) in rows {
        let file = document(Field::Receipt, "f", media_type, size);
        let told = pack(&packet(None, &[]), &[file], &offered()).unwrap_err();
        assert!(told.contains(words), "{told}");
    }
    let largest = document(Field::Receipt, "f", "image/png", 10_000_000);
    assert!(pack(&packet(None, &[]), &[largest], &offered()).is_ok());
}

#[test]
fn words_travel_as_a_letter_where_a_type_is_left_for_it() {
    let words =
        packet(None, &[(Field::Summary, "Delivered (signed by R. \\ M.)."), (Field::ShippingCarrier, "DHL")]);
    let alone = pack(&words, &[], &offered()).unwrap();
    assert_eq!((types(&alone), alone.words_left_out), (vec!["DefenseMaterial"], false));
    assert_eq!(alone.documents[0].content_type, "application/pdf");
    let beside = pack(&words, &[pdf(Field::Receipt)], &offered()).unwrap();
    assert_eq!((beside.documents.len(), beside.words_left_out), (1, true));
    let roomy = only("SupplyDefenseMaterial", &["DefenseMaterial!", "TIDorInvoice"]);
    let both = pack(&words, &[pdf(Field::Receipt)], &roomy).unwrap();
    assert_eq!((types(&both), both.words_left_out), (vec!["TIDorInvoice", "DefenseMaterial"], false));
}

#[test]
fn a_letter_is_a_whole_pdf_and_the_same_words_make_the_same_one() {
    let long = "Sentence after sentence, all of them true. ".repeat(300);
    let words = letter::words(&packet(None, &[(Field::Summary, &long), (Field::CustomerName, "Zoë (\\)")]));
    assert!(words.ends_with("\n\nCustomer name: Zoë (\\)"), "{words}");
    let made = letter::letter(&words).unwrap();
    assert_eq!(letter::letter(&words).unwrap(), made);
    let text: String = made.iter().map(|b| *b as char).collect();
    assert!(text.starts_with("%PDF-1.4\n") && text.ends_with("%%EOF\n"));
    assert!(text.contains("/Count 4 ") && text.contains("(Customer name: Zo\u{eb} \\(\\\\\\))"), "{text}");
    // The table says where each object begins.
    let table_at: usize = text.split("startxref\n").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    assert!(text[..].chars().skip(table_at).collect::<String>().starts_with("xref\n0 12\n"));
    for (n, line) in text.split("xref\n").nth(1).unwrap().lines().skip(2).take(11).enumerate() {
        let at: usize = line[..10].parse().unwrap();
        let object: String = made[at..].iter().take(12).map(|b| *b as char).collect();
        assert!(object.starts_with(&format!("{} 0 obj", n + 1)), "{line}: {object}");
    }
    for object in text.split("/Length ").skip(1) {
        let length: usize = object.split(' ').next().unwrap().parse().unwrap();
        let stream = object.split("stream\n").nth(1).unwrap().strip_suffix("\nend").unwrap();
        assert_eq!(stream.chars().count(), length);
    }
    assert_eq!(letter::letter(""), None);
}

#[test]
fn each_broken_limit_is_named() {
    let lint = |packet: &Packet, submit: bool| adyen().lint(packet, submit);
    let file =
        |field: Field| Packet { files: [(field, vec!["own-1-x".to_owned()])].into(), ..Packet::default() };
    let eur = Currency::parse("EUR").unwrap();
    let rows = [
        (Packet::default(), "no defence without a document"),
        (packet(None, &[(Field::Summary, "   ")]), "no defence without a document"),
        (packet(None, &[(Field::Summary, "Доставлено")]), "cannot show `\\u{414}`"),
        (packet(None, &[(Field::Summary, &"line\n".repeat(2_000))]), "at most 18 are sent"),
        (packet(None, &[(Field::Receipt, "see attached")]), "takes files"),
        (file(Field::Summary), "takes words"),
        (Packet { amount: Some(Money::new(100, eur)), ..file(Field::Receipt) }, "a part of the amount"),
    ];
    for (packet, words) in rows {
        let found = lint(&packet, true);
        assert_eq!(found.len(), 1, "{words}: {found:?}");
        assert!(found[0].contains(words), "{words}: {found:?}");
    }
    assert_eq!(lint(&Packet::default(), false), Vec::<String>::new(), "documents are owed on submit only");
    assert_eq!(lint(&packet(None, &[(Field::Summary, "“Zoë’s” – 5 €…")]), true), Vec::<String>::new());
    assert_eq!(lint(&file(Field::ShippingDocumentation), true), Vec::<String>::new());
}
