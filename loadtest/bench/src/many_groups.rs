//! Very many consumer groups on one node, without a client library: twenty members of a group on twenty connections, which
//! they share with the members of other groups.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::column;
use crate::server::Server;
use crate::table::Table;
use crate::wire::{Answer, Body, Wire};

const OFFSET_COMMIT: (i16, i16) = (8, 3);
const JOIN_GROUP: (i16, i16) = (11, 2);
const HEARTBEAT: (i16, i16) = (12, 1);
const LEAVE_GROUP: (i16, i16) = (13, 1);
const SYNC_GROUP: (i16, i16) = (14, 1);

const MEMBERS: usize = 20;
/// A JoinGroup holds up its connection, so this many groups rebalance at once.
const GROUPS_AT_ONCE: usize = 16;
const TOPIC: &str = "bench";
const SESSION_TIMEOUT_MS: i32 = 45_000;
const REBALANCE_TIMEOUT_MS: i32 = 30_000;
/// Kafka clients' default.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);
/// Rounds of heartbeats whose cost is measured.
const HEARTBEAT_ROUNDS: usize = 4;
/// "This group rebalances, join again".
const REBALANCE_IN_PROGRESS: i16 = 27;

/// What was measured.
pub struct ManyGroups {
    /// Until all members have their share, per group.
    pub join_ms_per_group: f64,
    /// Share of one core that heartbeats take, each member sending one every three seconds.
    pub heartbeat_cores: f64,
    pub commits_per_second: f64,
    /// Until the others of a group have their new shares after one has left, per group.
    pub leave_ms_per_group: f64,
    pub restart_seconds: f64,
    pub idle_mebibytes: f64,
    /// What a member takes beyond the idle node.
    pub kibibytes_per_member: f64,
}

/// With their bounds; on a busy machine those that other work does not touch.
pub fn rows(table: &mut Table, runs: &[ManyGroups], busy: bool) {
    let quiet = |bound: f64| (!busy).then_some(bound);
    let mut row = |name: &str, pick: fn(&ManyGroups) -> f64, bound| table.row(name, &column(runs, pick), bound);
    row("many groups: first rebalance, ms per group", |run| run.join_ms_per_group, quiet(30.0));
    row("heartbeats of all every 3 s, cores", |run| run.heartbeat_cores, quiet(0.3));
    row("resident, MiB", |run| run.idle_mebibytes, Some(200.0));
    row("of which for each member, KiB", |run| run.kibibytes_per_member, Some(6.0));
    row("serving again after kill -9, without a rebalance, s", |run| run.restart_seconds, Some(2.0));
    row("rebalance after one has left, ms per group", |run| run.leave_ms_per_group, quiet(10.0));
    table.row_of_rates("offsets committed, per second", &column(runs, |run| run.commits_per_second));
}

/// One group, seen from outside.
struct Group {
    name: String,
    generation: i32,
    /// Each on the connection of its place; the last of them leaves at some point.
    members: Vec<String>,
}

/// Some of the groups, with connections of their own.
struct Lane {
    wires: Vec<Wire>,
    groups: Vec<Group>,
}

pub fn measure(binary: &Path, groups: usize) -> anyhow::Result<ManyGroups> {
    let server = Server::start(binary)?;
    Wire::connect(&server.address)?.create_topics(&[TOPIC.to_owned()], MEMBERS as i32)?;
    std::thread::sleep(Duration::from_secs(1));
    let empty_mebibytes = server.mebibytes("VmRSS")?;
    let name = |number| Group { name: format!("group-{number:05}"), generation: 0, members: Vec::new() };
    let mut lanes = (0..GROUPS_AT_ONCE)
        .map(|lane| {
            let groups = (lane..groups).step_by(GROUPS_AT_ONCE).map(name).collect();
            Ok(Lane { wires: connect(&server)?, groups })
        })
        .collect::<anyhow::Result<Vec<Lane>>>()?;
    let per_group = |begun: Instant| begun.elapsed().as_secs_f64() * 1000.0 / groups as f64;

    let begun = Instant::now();
    in_all(&mut lanes, |lane| lane.each(|wires, group| group.begin(wires)))?;
    let join_ms_per_group = per_group(begun);

    let heartbeat_cores = heartbeats(&server, &mut lanes)?;
    let begun = Instant::now();
    in_all(&mut lanes, |lane| lane.each(|wires, group| group.commit(wires)))?;
    let commits_per_second = (groups * MEMBERS) as f64 / begun.elapsed().as_secs_f64();
    let idle_mebibytes = server.mebibytes("VmRSS")?;
    let kibibytes_per_member = (idle_mebibytes - empty_mebibytes) * 1024.0 / (groups * MEMBERS) as f64;

    // Nobody's session may end with the process: all go on in their generation.
    let folder = server.kill(tempfile::tempdir_in(".")?)?;
    let server = Server::start_in(binary, folder)?;
    let restart_seconds = server.start_seconds;
    for lane in &mut lanes {
        lane.wires = connect(&server)?;
    }
    in_all(&mut lanes, |lane| lane.each(|wires, group| group.heartbeat(wires)))?;

    let begun = Instant::now();
    in_all(&mut lanes, |lane| lane.each(|wires, group| group.leave_one(wires)))?;
    let leave_ms_per_group = per_group(begun);
    in_all(&mut lanes, |lane| lane.each(|wires, group| group.heartbeat(wires)))?;
    Ok(ManyGroups {
        join_ms_per_group,
        heartbeat_cores,
        commits_per_second,
        leave_ms_per_group,
        restart_seconds,
        idle_mebibytes,
        kibibytes_per_member,
    })
}

fn connect(server: &Server) -> anyhow::Result<Vec<Wire>> {
    (0..MEMBERS).map(|_| Wire::connect(&server.address)).collect()
}

/// Heartbeats of all members, spread over their interval as those of real ones are.
fn heartbeats(server: &Server, lanes: &mut [Lane]) -> anyhow::Result<f64> {
    let before = server.cpu_seconds()?;
    let begun = Instant::now();
    in_all(lanes, |lane| {
        for round in 0..HEARTBEAT_ROUNDS {
            let count = lane.groups.len();
            for (place, group) in lane.groups.iter().enumerate() {
                let due = begun + HEARTBEAT_INTERVAL.mul_f64(round as f64 + place as f64 / count as f64);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                group.heartbeat(&mut lane.wires)?;
            }
        }
        Ok(())
    })?;
    let interval = HEARTBEAT_INTERVAL.mul_f64(HEARTBEAT_ROUNDS as f64);
    ensure!(begun.elapsed() < interval * 2, "heartbeats of {HEARTBEAT_ROUNDS} rounds took {:?}", begun.elapsed());
    std::thread::sleep((begun + interval).saturating_duration_since(Instant::now()));
    Ok((server.cpu_seconds()? - before) / begun.elapsed().as_secs_f64())
}

fn in_all(lanes: &mut [Lane], work: impl Fn(&mut Lane) -> anyhow::Result<()> + Sync) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let working: Vec<_> = lanes.iter_mut().map(|lane| scope.spawn(|| work(lane))).collect();
        working.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow::anyhow!("a lane panicked"))?)
    })
}

impl Lane {
    fn each(&mut self, step: impl Fn(&mut [Wire], &mut Group) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.groups.iter_mut().try_for_each(|group| step(&mut self.wires, group))
    }
}

impl Group {
    /// All members join a group that is not there yet.
    fn begin(&mut self, wires: &mut [Wire]) -> anyhow::Result<()> {
        self.members = vec![String::new(); MEMBERS];
        self.rebalance(wires)?;
        ensure!(self.generation == 1, "{} is in generation {}", self.name, self.generation);
        Ok(())
    }

    /// Everyone joins and gets a share.
    fn rebalance(&mut self, wires: &mut [Wire]) -> anyhow::Result<()> {
        for (wire, member) in wires.iter_mut().zip(&self.members) {
            wire.send(JOIN_GROUP, &self.join(member))?;
        }
        let mut leader = None;
        for (place, (wire, member)) in wires.iter_mut().zip(&mut self.members).enumerate() {
            let mut answer = wire.receive()?;
            answer.i32()?;
            answer.good("JoinGroup")?;
            self.generation = answer.i32()?;
            answer.string()?;
            let leads = answer.string()?;
            *member = answer.string()?;
            if leads == *member {
                leader = Some((place, listed(&mut answer)?));
            }
        }
        let (leader, listed) = leader.with_context(|| format!("nobody leads {}", self.name))?;
        ensure!(listed.len() == self.members.len(), "{} of {} joined", listed.len(), self.members.len());
        for (place, (wire, member)) in wires.iter_mut().zip(&self.members).enumerate() {
            let shares = if place == leader { &listed[..] } else { &[] };
            let body = Body::default().string(&self.name).i32(self.generation).string(member);
            wire.send(SYNC_GROUP, &body.each(shares, |body, member| body.string(member).bytes(&share())))?;
        }
        for (wire, _) in wires.iter_mut().zip(&self.members) {
            let mut answer = wire.receive()?;
            answer.i32()?;
            answer.good("SyncGroup")?;
            ensure!(answer.bytes()? == share(), "a member of {} got another share", self.name);
        }
        Ok(())
    }

    fn join(&self, member: &str) -> Body {
        let timeouts = Body::default().string(&self.name).i32(SESSION_TIMEOUT_MS).i32(REBALANCE_TIMEOUT_MS);
        timeouts
            .string(member)
            .string("consumer")
            .each(["range"], |body, name| body.string(name).bytes(&subscription()))
    }

    fn heartbeat(&self, wires: &mut [Wire]) -> anyhow::Result<()> {
        for code in self.ask_all(wires)? {
            ensure!(code == 0, "a heartbeat in {} is answered with error {code}", self.name);
        }
        Ok(())
    }

    /// Heartbeats of all members, and what they are answered with.
    fn ask_all(&self, wires: &mut [Wire]) -> anyhow::Result<Vec<i16>> {
        for (wire, member) in wires.iter_mut().zip(&self.members) {
            wire.send(HEARTBEAT, &Body::default().string(&self.name).i32(self.generation).string(member))?;
        }
        let answers = wires.iter_mut().zip(&self.members).map(|(wire, _)| {
            let mut answer = wire.receive()?;
            answer.i32()?;
            answer.i16()
        });
        answers.collect()
    }

    /// Each member commits an offset of a partition of its own.
    fn commit(&self, wires: &mut [Wire]) -> anyhow::Result<()> {
        for (place, (wire, member)) in wires.iter_mut().zip(&self.members).enumerate() {
            let body = Body::default().string(&self.name).i32(self.generation).string(member).i64(-1);
            let body = body.each([TOPIC], |body, topic| {
                body.string(topic).each([place as i32], |body, index| body.i32(index).i64(7).string(""))
            });
            wire.send(OFFSET_COMMIT, &body)?;
        }
        for (wire, _) in wires.iter_mut().zip(&self.members) {
            let mut answer = wire.receive()?;
            let _ = (answer.i32()?, answer.i32()?, answer.string()?, answer.i32()?, answer.i32()?);
            answer.good("OffsetCommit")?;
        }
        Ok(())
    }

    /// One member goes; the others hear of it and rebalance.
    fn leave_one(&mut self, wires: &mut [Wire]) -> anyhow::Result<()> {
        let gone = self.members.pop().context("a group has members")?;
        let mut answer = wires[0].call(LEAVE_GROUP, &Body::default().string(&self.name).string(&gone))?;
        answer.i32()?;
        answer.good("LeaveGroup")?;
        for code in self.ask_all(wires)? {
            ensure!(code == REBALANCE_IN_PROGRESS, "{} goes on with {code} after a member has left", self.name);
        }
        self.rebalance(wires)?;
        ensure!(self.generation == 2, "{} is in generation {}: a restart is a rebalance", self.name, self.generation);
        Ok(())
    }
}

fn listed(answer: &mut Answer) -> anyhow::Result<Vec<String>> {
    let count = answer.count()?;
    (0..count)
        .map(|_| {
            let member = answer.string()?;
            answer.bytes()?;
            Ok(member)
        })
        .collect()
}

/// As a consumer of one topic states it: version 1, the topic, no user data, no partitions.
fn subscription() -> Vec<u8> {
    Body::default().i16(1).each([TOPIC], |body, topic| body.string(topic)).i32(-1).count(0).done()
}

/// One partition.
fn share() -> Vec<u8> {
    let partitions = |body: Body, topic: &str| body.string(topic).each([0], Body::i32);
    Body::default().i16(1).each([TOPIC], partitions).i32(-1).done()
}
