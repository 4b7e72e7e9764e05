//! Each field of a request at its edges, one at a time.

use crate::plausible::{World, request};
use crate::schema::{Api, Field, Kind};
use crate::value::{Tags, Value, varint, write_request};

/// Elements of an array that has many.
const MANY: usize = 1_000;
/// Bytes of an unknown tagged field that is huge.
const HUGE_TAG_BYTES: usize = 256 << 10;
/// An unknown tagged field's number; no schema has one as high.
const UNKNOWN_TAG: u32 = 1_000;
/// Longest text that Kafka's schemas allow.
const TEXT_BYTES_MAX: usize = 32_767;
/// A number that says more than any frame holds, as a varint and as one that does not end.
const MUCH: [u8; 5] = [0xff, 0xff, 0xff, 0xff, 0x0f];
const ENDLESS: [u8; 6] = [0xff; 6];

/// Fields that are at an edge at once, where it is more than one.
const FIELDS_AT_ONCE_MAX: usize = 4;

/// What has to come of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It fits its schema, so it is answered.
    Answered,
    /// It does not fit its schema, so nobody can tell what was asked: the connection ends, as Kafka has it.
    Closed,
    /// Implementations differ in whether they see that it does not fit.
    Either,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Case {
    /// The field, and what it holds.
    pub what: String,
    /// As it is sent, with its length and a correlation id of 0.
    pub frame: Vec<u8>,
    /// Its body.
    pub request: Value,
    /// What has to come of it.
    pub fate: Fate,
}

/// All of them for one version: the plausible one first. Each is asked in a `world` of its own.
#[must_use]
pub fn cases(api: &Api, version: i16, mut world: impl FnMut() -> World) -> Vec<Case> {
    let client = Some("edge-client");
    let flexible = api.request.flexible.has(version);
    let plain = request(api, version, &world(), &[]);
    let frame = write_request(api, version, 0, client, &plain);
    let case = |what: String, frame: &[u8], request: &Value, fate: Fate| Case {
        what,
        frame: frame.to_vec(),
        request: request.clone(),
        fate,
    };
    let mut cases = vec![case("as a client sends it".to_owned(), &frame, &plain, Fate::Answered)];
    for (name, id) in [("null", None), ("empty", Some("")), ("of 32 KiB", Some(&*"c".repeat(TEXT_BYTES_MAX)))] {
        let plain = request(api, version, &world(), &[]);
        let frame = write_request(api, version, 0, id, &plain);
        cases.push(case(format!("client id {name}"), &frame, &plain, Fate::Answered));
    }
    let plain = request(api, version, &world(), &[]);
    let frame = write_request(api, version, 0, client, &plain);
    // Kafka ignores what follows a request, and there are clients that rely on it.
    cases.push(case("bytes behind it".to_owned(), &resized(&frame, 7), &plain, Fate::Answered));
    cases.push(case("its last byte missing".to_owned(), &resized(&frame, -1), &plain, Fate::Closed));

    for place in places(api, version) {
        for edge in place.edges(version, flexible) {
            let mut body = request(api, version, &world(), &place.path);
            let is_put = at(&mut body, &place.path).is_some_and(|value| edge.put(value));
            assert!(is_put, "{} {} has no place in {body:?}", place.name, edge.what);
            let frame = write_request(api, version, 0, client, &body);
            cases.push(case(format!("{} {}", place.name, edge.what), &frame, &body, edge.fate));
        }
    }
    cases
}

/// The frame of a request that has some of its fields at edges at once. It fits its schema. Which they are is chosen by
/// `choose`, which gives a number below the one that it is given.
#[must_use]
pub fn mixed(api: &Api, version: i16, world: &World, mut choose: impl FnMut(usize) -> usize) -> Vec<u8> {
    let flexible = api.request.flexible.has(version);
    let places = places(api, version);
    let count = if places.is_empty() { 0 } else { 1 + choose(FIELDS_AT_ONCE_MAX) };
    let chosen: Vec<&Place> = (0..count).map(|_| &places[choose(places.len())]).collect();
    let mut body = request(api, version, world, chosen.first().map_or(&[], |place| &place.path));
    let mut is_long = false;
    for place in chosen {
        let mut edges = place.edges(version, flexible);
        // One array of many is enough: many of many would be millions.
        edges.retain(|edge| edge.fate == Fate::Answered && !(is_long && matches!(edge.put, Put::Times(_))));
        if edges.is_empty() {
            continue;
        }
        let edge = edges.swap_remove(choose(edges.len()));
        // An array that another edge has emptied has no place for this one.
        if let Some(value) = at(&mut body, &place.path) {
            is_long |= edge.put(value) && matches!(edge.put, Put::Times(_));
        }
    }
    write_request(api, version, 0, Some("edge-client"), &body)
}

fn resized(frame: &[u8], by: isize) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame.resize(frame.len().saturating_add_signed(by), 0x5a);
    let bytes = frame.len() as i32 - 4;
    frame[..4].copy_from_slice(&bytes.to_be_bytes());
    frame
}

/// A field, or the tagged fields of a structure.
struct Place<'s> {
    path: Vec<usize>,
    name: String,
    field: Option<&'s Field>,
}

impl Place<'_> {
    fn edges(&self, version: i16, flexible: bool) -> Vec<Edge> {
        let Some(field) = self.field else { return of_tags() };
        let mut all = edges(&field.kind, field.nullable.has(version), flexible);
        if let Kind::Array(element) = &field.kind {
            // What an element may be: never null.
            all.extend(edges(element, false, flexible).into_iter().filter_map(|edge| match edge.put {
                Put::Instead(value) => {
                    Some(Edge { what: format!("with an element {}", edge.what), put: Put::Element(value), ..edge })
                }
                _ => None,
            }));
        }
        all
    }
}

struct Edge {
    what: String,
    put: Put,
    fate: Fate,
}

enum Put {
    /// In the place of what is there.
    Instead(Value),
    /// The first element of the array that is there.
    Element(Value),
    /// The first element so often.
    Times(usize),
    /// More tagged fields.
    Tags(Tags),
}

impl Edge {
    /// Whether there was a place for it.
    fn put(&self, place: &mut Value) -> bool {
        match (&self.put, place) {
            (Put::Instead(value), place) => *place = value.clone(),
            (Put::Element(value), Value::Array(Some(elements))) if !elements.is_empty() => elements[0] = value.clone(),
            (Put::Times(count), Value::Array(Some(elements))) if !elements.is_empty() => {
                *elements = vec![elements[0].clone(); *count];
            }
            (Put::Tags(tags), place) => {
                let place = match place {
                    Value::Array(Some(elements)) if !elements.is_empty() => &mut elements[0],
                    place => place,
                };
                let Value::Struct(Some(_), there) = place else { return false };
                *there = tags.clone();
            }
            _ => return false,
        }
        true
    }
}

/// The value that `path` leads to, by the first element of each array.
fn at<'v>(mut value: &'v mut Value, path: &[usize]) -> Option<&'v mut Value> {
    for index in path {
        let structure = match value {
            Value::Array(Some(elements)) => elements.first_mut()?,
            value => value,
        };
        let Value::Struct(Some(fields), _) = structure else { return None };
        value = &mut fields[*index];
    }
    Some(value)
}

/// All places of a request.
fn places(api: &Api, version: i16) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    walk(&api.request.body, version, api.request.flexible.has(version), &mut Vec::new(), "", &mut places);
    places
}

/// Finds all places below `kind`.
fn walk<'s>(
    kind: &'s Kind,
    version: i16,
    flexible: bool,
    path: &mut Vec<usize>,
    name: &str,
    places: &mut Vec<Place<'s>>,
) {
    let kind = if let Kind::Array(element) = kind { element } else { kind };
    let Kind::Struct(fields) = kind else { return };
    if flexible {
        places.push(Place { path: path.clone(), name: format!("{name} tagged fields"), field: None });
    }
    for (index, field) in fields.iter().enumerate().filter(|(_, field)| field.versions.has(version)) {
        path.push(index);
        let name = if name.is_empty() { field.name.clone() } else { format!("{name}.{}", field.name) };
        walk(&field.kind, version, flexible, path, &name, places);
        places.push(Place { path: path.clone(), name, field: Some(field) });
        path.pop();
    }
}

fn edges(kind: &Kind, nullable: bool, flexible: bool) -> Vec<Edge> {
    let edge = |what: &str, value: Value, fate: Fate| Edge { what: what.to_owned(), put: Put::Instead(value), fate };
    let good = |what: &str, value: Value| edge(what, value, Fate::Answered);
    let null = if nullable { Fate::Answered } else { Fate::Closed };
    match kind {
        Kind::Bool => vec![
            good("false", Value::Bool(false)),
            good("true", Value::Bool(true)),
            edge("neither true nor false", Value::Raw(vec![2]), Fate::Either),
        ],
        Kind::Int { bytes, signed } => {
            let bits = 8 * bytes;
            let (min, max) = match signed {
                true => (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits)),
                false => (0, (1 << bits) - 1),
            };
            let numbers = [min, -1, 0, 1, 2, max - 1, max];
            numbers
                .into_iter()
                .filter(|number| (min..=max).contains(number))
                .map(|number| good(&number.to_string(), Value::Int(number)))
                .collect()
        }
        Kind::Float => [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, 0.0, -0.0, -1.0]
            .map(|number| good(&number.to_string(), Value::Float(number)))
            .into(),
        Kind::Uuid => {
            let mut one = [0; 16];
            one[15] = 1;
            let ids = [("zero", [0; 16]), ("one", one), ("unknown", [0x5a; 16]), ("all ones", [0xff; 16])];
            ids.map(|(what, id)| good(what, Value::Uuid(id))).into()
        }
        Kind::Text => {
            let text = |bytes: &[u8]| Value::Text(Some(bytes.to_vec()));
            let mut edges = vec![
                edge("null", Value::Text(None), null),
                good("empty", text(b"")),
                good("of a letter", text(b"x")),
                good("of 249 letters", text(&[b'a'; 249])),
                good("of 250 letters", text(&[b'a'; 250])),
                good("of the longest", text(&[b'a'; TEXT_BYTES_MAX])),
                good("with control characters", text(b"a\0b\x07\x1b[2J\r\n\x7f")),
                good("like a path", text(b"../../etc/passwd")),
                good("beyond ASCII", text("ü☃\u{202e}🦀".as_bytes())),
                good("a number", text(b"-9223372036854775808")),
                edge("not UTF-8", text(&[0xff, 0xfe, 0x80, 0xc3]), Fate::Either),
            ];
            if flexible {
                edges.push(edge("beyond the longest", text(&[b'a'; TEXT_BYTES_MAX + 1]), Fate::Either));
            }
            edges.extend(lengths(2, flexible));
            edges
        }
        Kind::Bytes | Kind::Records => {
            let bytes = |bytes: &[u8]| Value::Bytes(Some(bytes.to_vec()));
            let mut edges = vec![
                edge("null", Value::Bytes(None), null),
                good("empty", bytes(b"")),
                good("of a byte", bytes(&[0xff])),
                good("of odd bytes", bytes(b"\0\0\0\x01\xff\xff\xfe")),
                good("of 64 KiB", bytes(&[0; 64 << 10])),
            ];
            edges.extend(lengths(4, flexible));
            edges
        }
        Kind::Array(_) => {
            let times =
                |what: &str, count| Edge { what: what.to_owned(), put: Put::Times(count), fate: Fate::Answered };
            let mut edges = vec![
                edge("null", Value::Array(None), null),
                good("empty", Value::Array(Some(Vec::new()))),
                times("repeated", 2),
                times("of many", MANY),
            ];
            edges.extend(lengths(4, flexible));
            edges
        }
        // One that may be null is so unless something within it is asked about.
        Kind::Struct(_) if nullable => vec![good("null", Value::Struct(None, Tags::None))],
        Kind::Struct(_) => Vec::new(),
    }
}

/// Lengths and counts that say what is not there. In versions that are not flexible they have `prefix` bytes.
fn lengths(prefix: usize, flexible: bool) -> Vec<Edge> {
    let much = i64::from(if prefix == 2 { i32::from(i16::MAX) } else { i32::MAX });
    let number = |number: i64| number.to_be_bytes()[8 - prefix..].to_vec();
    let lies = match flexible {
        true => vec![("that says much", MUCH.to_vec()), ("that says a length without end", ENDLESS.to_vec())],
        false => vec![
            ("that says much", number(much)),
            ("of length -2", number(-2)),
            ("of the least length", {
                let mut least = vec![0; prefix];
                least[0] = 0x80;
                least
            }),
        ],
    };
    let lie = |(what, bytes): (&str, Vec<u8>)| {
        let put = Put::Instead(Value::Raw(bytes));
        Edge { what: what.to_owned(), put, fate: Fate::Closed }
    };
    lies.into_iter().map(lie).collect()
}

fn of_tags() -> Vec<Edge> {
    let more = |what: &str, tags: Vec<(u32, Vec<u8>)>, fate| Edge {
        what: what.to_owned(),
        put: Put::Tags(Tags::More(tags)),
        fate,
    };
    let raw = |what: &str, bytes: Vec<u8>| Edge {
        what: what.to_owned(),
        put: Put::Tags(Tags::Raw(bytes)),
        fate: Fate::Closed,
    };
    let mut cut = vec![1];
    varint(&mut cut, u64::from(UNKNOWN_TAG));
    cut.extend(MUCH);
    vec![
        more("unknown", vec![(UNKNOWN_TAG, b"x".to_vec())], Fate::Answered),
        more("unknown and empty", vec![(UNKNOWN_TAG, Vec::new())], Fate::Answered),
        more("of the highest number", vec![(i32::MAX as u32, b"x".to_vec())], Fate::Answered),
        more("huge", vec![(UNKNOWN_TAG, vec![0x5a; HUGE_TAG_BYTES])], Fate::Answered),
        more("twice the same", vec![(UNKNOWN_TAG, b"x".to_vec()); 2], Fate::Either),
        more("many", (0..MANY as u32).map(|tag| (UNKNOWN_TAG + tag, Vec::new())).collect(), Fate::Either),
        raw("more than there are", MUCH.to_vec()),
        raw("longer than their frame", cut),
    ]
}
