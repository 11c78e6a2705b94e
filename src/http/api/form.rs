//! Evidence as a form (multipart/form-data, RFC 7578): the fields that JSON has, and files as they are. Read as it
//! comes, so that what is held in memory is the files and hardly more; whatever is wrong is told with the name of the
//! part. Knows what a form is made of, and nothing of disputes.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use multer::{Field as Part, Multipart};
use serde_json::{Map, Value, json};

use super::problem::{Kind, Problem};
use crate::evidence::{Field, FieldKind, spelled};
use crate::http::body::{NoBody, Pieces};
use crate::store::evidence::WORDS_CHARS_MAX;
use crate::store::files::{Coming, FILE_BYTES_MAX, NewFile};

/// More than there are fields, with some for fields that have several files.
pub(super) const PARTS_MAX: usize = 100;
/// Words are counted in characters later; so much they can take.
const WORDS_BYTES_MAX: usize = 4 * WORDS_CHARS_MAX;
const SHOWN_CHARS: usize = 64;

/// Keys that are given once and are no evidence.
const FLAGS: &[&str] = &["submit"];
const NUMBERS: &[&str] = &["amount"];
const TEXTS: &[&str] = &["dispute_id", "action", "reason_code", "explanation"];

fn is_key(name: &str) -> bool {
    FLAGS.iter().chain(NUMBERS).chain(TEXTS).any(|key| *key == name)
}

/// What a form says: what JSON would have said in the same words, and the files beside it.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub keys: Map<String, Value>,
    pub files: Vec<(Field, NewFile)>,
}

/// Why a form is not read to its end.
#[derive(Debug)]
pub(super) enum Unread {
    NoBody(NoBody),
    Problem(Problem),
}

impl From<Problem> for Unread {
    fn from(problem: Problem) -> Self {
        Unread::Problem(problem)
    }
}

/// What parts its form, if the request says that it is one.
pub(super) fn boundary(headers: &HeaderMap) -> Option<Result<String, Problem>> {
    let said = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let is_form = said.trim_start().get(..19).is_some_and(|s| s.eq_ignore_ascii_case("multipart/form-data"));
    let no_boundary = || Problem::new(Kind::Broken, "`content-type` does not name the form's boundary");
    is_form.then(|| multer::parse_boundary(said).map_err(|_| no_boundary()))
}

pub(super) async fn read(pieces: &mut Pieces, boundary: String) -> Result<Form, Unread> {
    // All files lie in it, one behind the other: nothing of them is moved or copied while the form is read. What is
    // not written takes no memory.
    let mut bytes = BytesMut::with_capacity(pieces.size());
    let of_no_use = pieces.of_no_use();
    let mut multipart = Multipart::new(pieces, boundary);
    let mut form = Form::default();
    let mut parts = 0;
    while let Some(part) = multipart.next_field().await.map_err(|e| cut(e, None))? {
        parts += 1;
        if parts > PARTS_MAX {
            return Err(Problem::invalid(format!("a form has at most {PARTS_MAX} parts")).into());
        }
        take(&mut form, &mut bytes, &of_no_use, part).await?;
    }
    Ok(form)
}

async fn take(
    form: &mut Form,
    bytes: &mut BytesMut,
    of_no_use: &AtomicUsize,
    mut part: Part<'_>,
) -> Result<(), Unread> {
    let Some(name) = part.name().map(plain_name).filter(|name| !name.is_empty()) else {
        return Err(Problem::invalid("a part of the form has no name, or one that is not UTF-8").into());
    };
    match is_file(&part).map_err(|why| at(&name, why))? {
        Some(file_name) => {
            let field = spelled(&name, FieldKind::File).ok_or_else(|| no_place_for_file(&name))?;
            let said = part.headers().get(header::CONTENT_TYPE).and_then(|said| said.to_str().ok());
            let said = said.unwrap_or_default().to_owned();
            let mut coming = Coming::into(bytes);
            let mut limit = Limit::of(FILE_BYTES_MAX);
            while let Some(piece) = piece(&mut part, &name, &mut limit).await? {
                of_no_use.store(0, Relaxed);
                coming.push(&piece);
            }
            let file = coming.named(&file_name).and_then(|file| file.said_to_be(&said));
            form.files.push((field, file.map_err(|bad| at(&name, bad))?));
        }
        None => {
            let mut words = Vec::new();
            let mut limit = Limit::of(WORDS_BYTES_MAX);
            while let Some(piece) = piece(&mut part, &name, &mut limit).await? {
                of_no_use.store(0, Relaxed);
                words.extend_from_slice(&piece);
            }
            let text = String::from_utf8(words).map_err(|_| at(&name, "is not UTF-8"))?;
            put(&mut form.keys, &name, text).map_err(|why| at(&name, why))?;
        }
    }
    Ok(())
}

/// `evidence[receipt]` and `receipt[]` are `receipt`: so forms are written that other APIs take.
fn plain_name(name: &str) -> String {
    let name = name.strip_suffix("[]").unwrap_or(name);
    let inner = name.strip_prefix("evidence[").and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(name).to_owned()
}

/// The name of the file, if the part is one: it has a file name, or is of a type that words are not of.
fn is_file(part: &Part<'_>) -> Result<Option<String>, &'static str> {
    let nameless = "holds a file without a name: give it a `filename`, in UTF-8";
    match part.file_name() {
        Some("") => Err(nameless),
        Some(name) => Ok(Some(name.to_owned())),
        None => {
            let disposition = part.headers().get(header::CONTENT_DISPOSITION).map(|value| value.as_bytes());
            let named = disposition.is_some_and(|value| value.windows(8).any(|word| word == b"filename"));
            let said = part.headers().get(header::CONTENT_TYPE).map(|value| value.as_bytes());
            match named || said.is_some_and(|said| !said.to_ascii_lowercase().starts_with(b"text/")) {
                true => Err(nameless),
                false => Ok(None),
            }
        }
    }
}

fn no_place_for_file(name: &str) -> Problem {
    match is_key(name) || spelled(name, FieldKind::Text).is_some() {
        true => at(name, "takes words, and there is a file"),
        false => at(name, "is no evidence field"),
    }
}

/// What a part may take.
struct Limit {
    bytes_max: usize,
    left: usize,
}

impl Limit {
    const fn of(bytes_max: usize) -> Self {
        Self { bytes_max, left: bytes_max }
    }
}

/// More of the part, if there is more.
async fn piece(part: &mut Part<'_>, name: &str, limit: &mut Limit) -> Result<Option<Bytes>, Unread> {
    let Some(piece) = part.chunk().await.map_err(|e| cut(e, Some(name)))? else { return Ok(None) };
    let Some(left) = limit.left.checked_sub(piece.len()) else {
        let detail = format!("`{}` takes more than {} bytes", shown(name), limit.bytes_max);
        return Err(Problem::new(Kind::TooLarge, detail).with("part", shown(name).into()).into());
    };
    limit.left = left;
    Ok(Some(piece))
}

/// Writes a text where JSON would have it, as JSON would have it.
fn put(keys: &mut Map<String, Value>, name: &str, text: String) -> Result<(), String> {
    let value = if FLAGS.contains(&name) {
        let flag: bool = text.parse().map_err(|_| "is true or false")?;
        json!(flag)
    } else if NUMBERS.contains(&name) {
        let number: i64 = text.parse().map_err(|_| "is a whole number")?;
        json!(number)
    } else if is_key(name) || spelled(name, FieldKind::Text).or(spelled(name, FieldKind::File)).is_some() {
        json!(text)
    } else {
        return Err("is no evidence field".to_owned());
    };
    let is_list = spelled(name, FieldKind::File).is_some() && spelled(name, FieldKind::Text).is_none();
    match (keys.get_mut(name), is_list) {
        (None, true) => keys.insert(name.to_owned(), json!([value])),
        (None, false) => keys.insert(name.to_owned(), value),
        (Some(Value::Array(all)), true) => {
            all.push(value);
            None
        }
        (Some(_), _) => return Err("is given twice".to_owned()),
    };
    Ok(())
}

/// What is wrong with a part, with its name beside the sentence.
fn at(name: &str, why: impl std::fmt::Display) -> Problem {
    let name = shown(name);
    Problem::invalid(format!("the part `{name}`: {why}")).with("part", name.into())
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect()
}

fn cut(error: multer::Error, name: Option<&str>) -> Unread {
    if let multer::Error::StreamReadFailed(source) = &error
        && let Some(why) = source.downcast_ref::<NoBody>()
    {
        return Unread::NoBody(*why);
    }
    let over = matches!(
        error,
        multer::Error::IncompleteFieldData { .. }
            | multer::Error::IncompleteHeaders
            | multer::Error::IncompleteStream
    );
    let problem = match over {
        true => Problem::new(
            Kind::Broken,
            "the form ends before its end, or its parts are not parted by the boundary that `content-type` names",
        ),
        false => Problem::invalid("the head of a part of the form cannot be read"),
    };
    Unread::Problem(match name {
        Some(name) => problem.with("part", shown(name).into()),
        None => problem,
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures_util::StreamExt as _;

    use super::*;

    fn body(files: usize, file_bytes: usize) -> Vec<u8> {
        let mut body = Vec::new();
        for n in 0..files {
            let head = format!(
                "--B\r\ncontent-disposition: form-data; name=\"receipt\"; filename=\"{n}.pdf\"\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(b"%PDF-");
            body.resize(body.len() + file_bytes - 5, b'0' + n as u8);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--B--\r\n");
        body
    }

    async fn pieces(body: Vec<u8>, piece_bytes: usize) -> Pieces {
        let size = body.len();
        let all: Vec<Result<Bytes, std::io::Error>> =
            body.chunks(piece_bytes).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Pieces::of(Body::from_stream(futures_util::stream::iter(all)), size, false).await.unwrap()
    }

    #[tokio::test]
    async fn files_lie_in_one_buffer_as_they_came_each_with_the_digest_of_its_bytes() {
        let mut form = pieces(body(3, 100_000), 8_192).await;
        let read = read(&mut form, "B".into()).await.unwrap();
        let whole: Vec<NewFile> = (0..3)
            .map(|n| {
                NewFile::new(&format!("{n}.pdf"), [b"%PDF-".as_slice(), &vec![b'0' + n; 99_995]].concat())
                    .unwrap()
            })
            .collect();
        let files: Vec<NewFile> = read.files.into_iter().map(|(_, file)| file).collect();
        assert_eq!(files, whole, "names, bytes and digests");
        let at: Vec<usize> = files.iter().map(|file| file.content().as_ptr() as usize).collect();
        assert_eq!([at[1] - at[0], at[2] - at[1]], [100_000, 100_000], "one behind the other");
    }

    /// What is here already is taken apart piece by piece: nobody gets all of it in one go.
    #[tokio::test]
    async fn a_body_is_handed_over_in_pieces_however_much_of_it_is_there() {
        let mut pieces = pieces(vec![b'x'; 80_000], 8_000).await;
        let mut seen = 0;
        while seen < 10 {
            let now: Vec<usize> = futures_util::future::poll_fn(|cx| {
                let mut now = Vec::new();
                while let std::task::Poll::Ready(Some(piece)) = pieces.poll_next_unpin(cx) {
                    now.push(piece.unwrap().len());
                }
                std::task::Poll::Ready(now)
            })
            .await;
            assert!(now.len() <= 1, "{now:?}");
            seen += now.len();
        }
        assert!(pieces.next().await.is_none());
    }
}
