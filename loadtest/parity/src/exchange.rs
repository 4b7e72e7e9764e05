//! A script's way to talk to one system: what it asks is sent, and what comes back is kept as a step to be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bytes::BytesMut;
use kafka_protocol::protocol::Request;

use crate::normal::{Names, normal, put_in_order};
use crate::tree::Tree;
use crate::wire::{Came, Wire, answer_header, decode};

/// How long a system may take until something that it has promised can be seen everywhere.
const SETTLE_MAX: Duration = Duration::from_secs(20);
/// Between two looks.
const SETTLE_PAUSE: Duration = Duration::from_millis(20);

/// The versions of each API, by its key.
pub type Offered = BTreeMap<i16, RangeInclusive<i16>>;

/// One request and what came of it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The script's name and the version it ran in.
    pub script: &'static str,
    pub script_version: i16,
    /// What the step is about; once per script and version.
    pub name: String,
    /// What was asked.
    pub api: i16,
    pub version: i16,
    /// The answer, or a leaf that says that there was none.
    pub outcome: Tree,
}

/// One script against one system, in one version.
pub struct Exchange {
    address: String,
    offered: Offered,
    wires: BTreeMap<u8, Wire>,
    names: Names,
    script: &'static str,
    version: i16,
    done: BTreeSet<String>,
    steps: Vec<Step>,
}

impl Exchange {
    /// For `script` in `version`, on connections of its own to `address`.
    #[must_use]
    pub fn begin(address: &str, offered: &Offered, script: &'static str, version: i16) -> Exchange {
        Exchange {
            address: address.to_owned(),
            offered: offered.clone(),
            wires: BTreeMap::new(),
            names: Names::after(prefix(script, version)),
            script,
            version,
            done: BTreeSet::new(),
            steps: Vec::new(),
        }
    }

    /// What happened.
    #[must_use]
    pub fn end(self) -> Vec<Step> {
        self.steps
    }

    /// The version that this script runs in.
    #[must_use]
    pub fn version(&self) -> i16 {
        self.version
    }

    /// A name of a topic or a group that no other script and version has.
    #[must_use]
    pub fn name(&self, word: &str) -> String {
        prefix(self.script, self.version) + word
    }

    /// The version in which `R` is asked: the script's, or the nearest that Tidelog offers.
    #[must_use]
    pub fn version_of<R: Request>(&self) -> i16 {
        let offered = self.offered.get(&R::KEY).cloned().unwrap_or(R::VERSIONS.min..=R::VERSIONS.max);
        self.version.clamp((*offered.start()).max(R::VERSIONS.min), (*offered.end()).min(R::VERSIONS.max))
    }

    /// Asks on the first connection.
    ///
    /// # Errors
    /// There is no answer; the step says so.
    pub fn ask<R: Request>(&mut self, step: &str, request: &R) -> anyhow::Result<R::Response>
    where
        R::Response: Debug,
    {
        self.ask_on(0, step, request)
    }

    /// Asks on one of several connections.
    ///
    /// # Errors
    /// There is no answer; the step says so.
    pub fn ask_on<R: Request>(&mut self, wire: u8, step: &str, request: &R) -> anyhow::Result<R::Response>
    where
        R::Response: Debug,
    {
        self.send_on(wire, request)?;
        self.receive_on::<R>(wire, step)?.with_context(|| format!("the connection ended at {step:?}"))
    }

    /// Sends without waiting for the answer, which [`Exchange::receive_on`] takes.
    ///
    /// # Errors
    /// It cannot be sent.
    pub fn send_on<R: Request>(&mut self, wire: u8, request: &R) -> anyhow::Result<()> {
        let version = self.version_of::<R>();
        self.wire(wire)?.send(version, request)
    }

    /// Takes the answer to the last request of a connection, or its end.
    ///
    /// # Errors
    /// Neither comes.
    pub fn receive_on<R: Request>(&mut self, wire: u8, step: &str) -> anyhow::Result<Option<R::Response>>
    where
        R::Response: Debug,
    {
        let version = self.version_of::<R>();
        let came = self.wire(wire)?.receive(answer_header::<R>(version)).with_context(|| format!("at {step:?}"))?;
        let answer = match came {
            Came::Frame(frame) => Some(decode::<R>(frame, version).with_context(|| format!("at {step:?}"))?),
            Came::End => None,
        };
        let outcome = match &answer {
            Some(answer) => self.normal(R::KEY, answer)?,
            None => self.ended(wire),
        };
        self.keep(R::KEY, version, step, outcome)?;
        Ok(answer)
    }

    /// Sends bytes that no codec makes; the outcome is the answer as bytes, or the end.
    ///
    /// # Errors
    /// Neither comes.
    pub fn ask_raw(&mut self, step: &str, api: i16, version: i16, header: i16, body: &[u8]) -> anyhow::Result<()> {
        self.wire(0)?.send_body(api, version, header, body)?;
        let outcome = match self.wire(0)?.receive(0).with_context(|| format!("at {step:?}"))? {
            Came::Frame(frame) => Tree::leaf(format!("{frame:?}")),
            Came::End => self.ended(0),
        };
        self.keep(api, version, step, outcome)
    }

    /// Sends bytes that no codec makes, to be answered as `R` in `answered` is.
    ///
    /// # Errors
    /// No such answer comes.
    pub fn ask_as<R: Request>(&mut self, step: &str, version: i16, answered: i16, body: &[u8]) -> anyhow::Result<()>
    where
        R::Response: Debug,
    {
        self.wire(0)?.send_body(R::KEY, version, R::header_version(version), body)?;
        let outcome =
            match self.wire(0)?.receive(answer_header::<R>(answered)).with_context(|| format!("at {step:?}"))? {
                Came::Frame(frame) => self.normal(R::KEY, &decode::<R>(frame, answered)?)?,
                Came::End => self.ended(0),
            };
        self.keep(R::KEY, version, step, outcome)
    }

    /// Asks in a `version` that the codec does not know yet, and that differs from the newest it knows by a flag in the
    /// answer: `take_out` gives the answer without it, its name and its value.
    ///
    /// # Errors
    /// No such answer comes.
    pub fn ask_newer<R: Request>(
        &mut self,
        step: &str,
        version: i16,
        request: &R,
        take_out: impl FnOnce(BytesMut) -> Option<(BytesMut, &'static str, u8)>,
    ) -> anyhow::Result<()>
    where
        R::Response: Debug,
    {
        let known = R::VERSIONS.max;
        let mut body = BytesMut::new();
        request.encode(&mut body, known)?;
        self.wire(0)?.send_body(R::KEY, version, R::header_version(known), &body)?;
        let Came::Frame(frame) = self.wire(0)?.receive(answer_header::<R>(known))? else {
            bail!("the connection ended at {step:?}")
        };
        let (frame, name, value) = take_out(BytesMut::from(frame)).with_context(|| format!("at {step:?}"))?;
        let answer = decode::<R>(frame.freeze(), known).with_context(|| format!("at {step:?}"))?;
        let known_part = self.normal(R::KEY, &answer)?;
        let newer = (name.to_owned(), Tree::leaf(value.to_string()));
        self.keep(R::KEY, version, step, Tree::Fields(vec![("known".to_owned(), known_part), newer]))
    }

    /// Asks for what is no step of the script, in the newest version that both can.
    ///
    /// # Errors
    /// There is no answer.
    pub fn quietly<R: Request>(&mut self, request: &R) -> anyhow::Result<R::Response> {
        let offered = self.offered.get(&R::KEY).map_or(R::VERSIONS.max, |offered| *offered.end());
        self.quietly_in(offered.min(R::VERSIONS.max), request)
    }

    /// The same in a version of choice.
    ///
    /// # Errors
    /// There is no answer.
    pub fn quietly_in<R: Request>(&mut self, version: i16, request: &R) -> anyhow::Result<R::Response> {
        // A connection apart: those of the script may have a request on its way.
        const QUIET: u8 = u8::MAX;
        let wire = self.wire(QUIET)?;
        wire.send(version, request)?;
        match wire.receive(answer_header::<R>(version))? {
            Came::Frame(frame) => decode::<R>(frame, version),
            Came::End => {
                self.wires.remove(&QUIET);
                bail!("the connection ended")
            }
        }
    }

    /// Tries until `one` finds something. Kafka answers before all of it knows what was done.
    ///
    /// # Errors
    /// It fails, or finds nothing in time.
    pub fn settle<T>(
        &mut self,
        what: &str,
        mut one: impl FnMut(&mut Exchange) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + SETTLE_MAX;
        loop {
            if let Some(found) = one(self)? {
                return Ok(found);
            }
            ensure!(Instant::now() < deadline, "{what}: not within {SETTLE_MAX:?}");
            std::thread::sleep(SETTLE_PAUSE);
        }
    }

    /// Says how a topic is called, so that its id is known by that in every answer.
    pub fn call(&mut self, id: &uuid::Uuid, name: &str) {
        self.names.call("topic", &id.to_string(), name);
    }

    /// The answer as it is compared.
    fn normal(&mut self, api: i16, answer: &impl Debug) -> anyhow::Result<Tree> {
        let mut tree = Tree::of(answer)?;
        put_in_order(api, &mut tree);
        Ok(normal(tree, &mut self.names))
    }

    fn wire(&mut self, number: u8) -> anyhow::Result<&mut Wire> {
        match self.wires.entry(number) {
            std::collections::btree_map::Entry::Occupied(wire) => Ok(wire.into_mut()),
            std::collections::btree_map::Entry::Vacant(free) => Ok(free.insert(Wire::connect(&self.address)?)),
        }
    }

    /// The next request finds a new connection.
    fn ended(&mut self, wire: u8) -> Tree {
        self.wires.remove(&wire);
        Tree::leaf("connection ended")
    }

    fn keep(&mut self, api: i16, version: i16, name: &str, outcome: Tree) -> anyhow::Result<()> {
        ensure!(self.done.insert(name.to_owned()), "two steps are called {name:?}");
        let (script, script_version) = (self.script, self.version);
        self.steps.push(Step { script, script_version, name: name.to_owned(), api, version, outcome });
        Ok(())
    }
}

/// What all names of one script in one version begin with.
fn prefix(script: &str, version: i16) -> String {
    format!("{}-v{version}-", script.replace(' ', "-"))
}
