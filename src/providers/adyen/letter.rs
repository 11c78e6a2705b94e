//! The words of a packet as a PDF of plain pages, for a provider that takes documents only. The same words make the
//! same bytes. The font is one that every reader has (PDF 32000-1, 9.6.2.2), so its letters are those of
//! WinAnsi: what has others belongs in a file of its own, and the lint says so.

use bytes::Bytes;

use crate::evidence::{Field, Packet};

/// Points: A4, its margins, and the lines on it.
const PAGE: (u32, u32) = (595, 842);
const MARGIN: u32 = 56;
const FONT_SIZE: u32 = 10;
const LEADING: u32 = 14;
/// Characters of a line: the font is as wide for each, 0.6 of its size.
const LINE_CHARS: usize = 80;
const LINES_PER_PAGE: usize = 52;
/// A letter of more pages than this is none.
const PAGES_MAX: usize = 18;

/// The words as they stand in the letter: the summary first, then every other text field under its name, in the
/// catalogue's order. Empty when the packet has none.
pub fn words(packet: &Packet) -> String {
    let filled = || packet.text.iter().filter(|(_, text)| !text.trim().is_empty());
    let summary = filled().filter(|(field, _)| **field == Field::Summary);
    let others = filled().filter(|(field, _)| **field != Field::Summary);
    let summary = summary.map(|(_, text)| text.trim().to_owned());
    let others = others.map(|(field, text)| format!("{}: {}", label(*field), text.trim()));
    summary.chain(others).collect::<Vec<_>>().join("\n\n")
}

/// `shipping_tracking_number` as people write it: `Shipping tracking number`.
fn label(field: Field) -> String {
    let words = field.as_str().replace('_', " ");
    words[..1].to_ascii_uppercase() + &words[1..]
}

/// The PDF; none for no words.
pub fn letter(words: &str) -> Option<Bytes> {
    (!words.is_empty()).then(|| Bytes::from(pdf(&lines(words))))
}

pub fn lint(words: &str) -> Vec<String> {
    let mut found = Vec::new();
    let strange: Vec<String> = {
        let strange = words.chars().filter(|c| *c != '\n' && byte(*c).is_none());
        let mut all: Vec<char> = strange.collect();
        all.sort_unstable();
        all.dedup();
        all.iter().take(8).map(|c| format!("`{}`", c.escape_default())).collect()
    };
    if !strange.is_empty() {
        found.push(format!(
            "the letter that carries the words to Adyen cannot show {}: put such words into a file",
            strange.join(", ")
        ));
    }
    let pages = lines(words).len().div_ceil(LINES_PER_PAGE);
    if pages > PAGES_MAX {
        found.push(format!("the words fill {pages} pages, and at most {PAGES_MAX} are sent: shorten them"));
    }
    found
}

/// Broken at blanks where a line is full, inside a word only where the word is longer than a line.
fn lines(words: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in words.lines() {
        let mut line = String::new();
        let mut width = 0;
        for word in paragraph.split_whitespace() {
            for piece in pieces(word) {
                let long = piece.chars().count();
                if width > 0 && width + 1 + long > LINE_CHARS {
                    lines.push(std::mem::take(&mut line));
                    width = 0;
                }
                if width > 0 {
                    line.push(' ');
                    width += 1;
                }
                line.push_str(&piece);
                width += long;
            }
        }
        lines.push(line);
    }
    lines
}

fn pieces(word: &str) -> Vec<String> {
    let all: Vec<char> = word.chars().collect();
    all.chunks(LINE_CHARS).map(|piece| piece.iter().collect()).collect()
}

/// A catalogue, the pages, the font, and a page with its content for each full page of lines.
fn pdf(lines: &[String]) -> Vec<u8> {
    let pages: Vec<&[String]> = lines.chunks(LINES_PER_PAGE).collect();
    let kids: Vec<String> = (0..pages.len()).map(|n| format!("{} 0 R", 4 + 2 * n)).collect();
    let mut objects: Vec<Vec<u8>> = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len()).into_bytes(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>".to_vec(),
    ];
    for (n, page) in pages.iter().enumerate() {
        let content = content(page);
        objects.push(
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {} {}] /Contents {} 0 R /Resources << /Font << /F1 3 0 \
                 R >> >> >>",
                PAGE.0,
                PAGE.1,
                5 + 2 * n
            )
            .into_bytes(),
        );
        let head = format!("<< /Length {} >>\nstream\n", content.len());
        objects.push([head.as_bytes(), &content, b"\nendstream"].concat());
    }
    assemble(&objects)
}

fn content(lines: &[String]) -> Vec<u8> {
    let top = PAGE.1 - MARGIN;
    let mut out = format!("BT /F1 {FONT_SIZE} Tf {LEADING} TL {MARGIN} {top} Td\n").into_bytes();
    for line in lines {
        out.push(b'(');
        for byte in line.chars().map(|c| byte(c).unwrap_or(b'?')) {
            if matches!(byte, b'(' | b')' | b'\\') {
                out.push(b'\\');
            }
            out.push(byte);
        }
        out.extend_from_slice(b") Tj T*\n");
    }
    out.extend_from_slice(b"ET");
    out
}

/// The objects with their numbers, and the table of where each begins.
fn assemble(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut places = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        places.push(out.len());
        out.extend_from_slice(format!("{} 0 obj\n", n + 1).as_bytes());
        out.extend_from_slice(object);
        out.extend_from_slice(b"\nendobj\n");
    }
    let table_at = out.len();
    let count = objects.len() + 1;
    out.extend_from_slice(format!("xref\n0 {count}\n0000000000 65535 f \n").as_bytes());
    for place in places {
        out.extend_from_slice(format!("{place:010} 00000 n \n").as_bytes());
    }
    let trailer = format!("trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{table_at}\n%%EOF\n");
    out.extend_from_slice(trailer.as_bytes());
    out
}

/// The letter in WinAnsi, where it has one (PDF 32000-1, annex D.2).
fn byte(letter: char) -> Option<u8> {
    Some(match letter {
        ' '..='~' => letter as u8,
        '\t' => b' ',
        '\u{a0}'..='\u{ff}' => letter as u8,
        '€' => 0x80,
        '‚' => 0x82,
        '„' => 0x84,
        '…' => 0x85,
        '‘' => 0x91,
        '’' => 0x92,
        '“' => 0x93,
        '”' => 0x94,
        '•' => 0x95,
        '–' => 0x96,
        '—' => 0x97,
        '™' => 0x99,
        'Š' => 0x8a,
        'š' => 0x9a,
        'Œ' => 0x8c,
        'œ' => 0x9c,
        'Ž' => 0x8e,
        'ž' => 0x9e,
        'Ÿ' => 0x9f,
        _ => return None,
    })
}
