//! The kill loop: clients at work, the server killed again and again, and at the end the history judged.
//!
//! Idempotent and plain producers write to one topic while consumers read it and a poller asks for its bounds, and HTTP clients
//! of each kind do the same in the same topic: what comes by one door is judged together with what comes by the other. Between
//! the server's lives nothing is told to the clients: they find out as clients do.

mod clients;
mod consumers;
mod failpoints;
mod http;
mod producers;
mod summary;
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tidelog_history::check_file;

use crate::chance::Chance;
use crate::server::{Options, Server};
use clients::Door;
pub use clients::Work;
pub use failpoints::FAILPOINTS;
use failpoints::Failpoint;
pub use summary::Summary;
use world::World;

/// What is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Decides moments, sizes and order.
    pub seed: u64,
    /// Kills at random moments that must count: half of them with a request of Kafka in flight, half with one of HTTP.
    pub random_kills: u32,
    /// Kills at each failpoint that must count.
    pub kills_per_failpoint: u32,
    /// Further flags of the server, such as another store.
    pub options: Options,
}

/// Acknowledgements by which a life proves that its connections are up, before it is killed at random.
const ACKNOWLEDGEMENTS_MIN: u64 = 20;
/// How long clients may need to come back to a new life.
const PROGRESS_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long to wait for a moment with something in flight.
const IN_FLIGHT_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long a failpoint may take to be reached.
const FAILPOINT_WAIT_MAX: Duration = Duration::from_secs(40);
/// A failpoint that is missed is tried again, so often in all.
const ATTEMPTS_PER_KILL_MAX: u32 = 8;

/// Why one life shall end.
#[derive(Clone, Copy, Debug)]
enum End {
    /// With a request of this door in flight.
    Random(Door),
    At(&'static Failpoint),
}

impl End {
    fn name(self) -> &'static str {
        match self {
            End::Random(Door::Kafka) => "random, kafka",
            End::Random(Door::Http) => "random, http",
            End::At(failpoint) => failpoint.name,
        }
    }
}

/// Runs `plan` to its end.
///
/// # Errors
/// The run could not be carried out: the server does not come up again, or makes no progress. What clients saw is in the
/// summary instead.
pub fn run(plan: &Plan) -> anyhow::Result<Summary> {
    println!("kill loop, seed {} (TIDELOG_SEED={} repeats its choices)", plan.seed, plan.seed);
    let mut server = Server::start(plan.options.clone())?;
    let history = server.folder().join("history.jsonl");
    match carry_out(plan, &mut server, &history) {
        Ok(mut summary) => {
            if !summary.is_good() {
                summary.kept = Some(server.keep_folder());
            }
            Ok(summary)
        }
        Err(error) => {
            let output = server.output();
            let folder = server.keep_folder();
            Err(error.context(format!("the server's last words:\n{output}\nkept for you: {}", folder.display())))
        }
    }
}

fn carry_out(plan: &Plan, server: &mut Server, history: &Path) -> anyhow::Result<Summary> {
    let world = Arc::new(World::create(server, history)?);
    let mut clients = producers::start(&world, plan.seed);
    clients.extend(consumers::start(&world));
    clients.extend(http::start(&world, plan.seed));
    let killed = kill_again_and_again(plan, server, &world);
    // Whatever happened, the clients are ended before anything else is said.
    let ended = end_clients(&world, clients);
    let (kills, not_counted) = killed?;
    ended?;
    let work = world.work();
    consumers::read_everything(&world)?;
    http::read_everything(&world)?;
    world.recorder.flush()?;
    let report = check_file(history)?;
    let wanted = wanted(plan).into_iter().map(|(end, count)| (end.name(), count));
    let missing = wanted.filter_map(|(name, count)| {
        let short = count.saturating_sub(kills.get(name).copied().unwrap_or(0));
        (short > 0).then_some((name, short))
    });
    let missing = missing.collect();
    let troubles = world.troubles();
    // Every life that ended at random had its acknowledgements. Some clients take their time to come back, but they do.
    let lives_min = plan.random_kills / 4;
    Ok(Summary { seed: plan.seed, kills, not_counted, troubles, missing, work, lives_min, report, kept: None })
}

fn end_clients(world: &World, clients: Vec<JoinHandle<()>>) -> anyhow::Result<()> {
    world.stop();
    for client in clients {
        client.join().ok().context("a client panicked")?;
    }
    Ok(())
}

/// How many kills of each kind the plan wants.
fn wanted(plan: &Plan) -> Vec<(End, u32)> {
    let failpoints = FAILPOINTS.iter().map(|failpoint| (End::At(failpoint), plan.kills_per_failpoint));
    let of_http = plan.random_kills / 2;
    let random = [(Door::Kafka, plan.random_kills - of_http), (Door::Http, of_http)];
    random.into_iter().map(|(door, count)| (End::Random(door), count)).chain(failpoints).collect()
}

/// Ends life after life; the last one is left alive. Returns the kills that count, and how many did not.
fn kill_again_and_again(
    plan: &Plan,
    server: &mut Server,
    world: &World,
) -> anyhow::Result<(BTreeMap<&'static str, u32>, u32)> {
    let mut chance = Chance::new(plan.seed);
    let mut ends: Vec<(End, u32)> = Vec::new();
    for (end, count) in wanted(plan) {
        ends.extend((0..count).map(|_| (end, 1)));
    }
    chance.shuffle(&mut ends);
    // The first life was started without a failpoint.
    world.wait_acknowledged(ACKNOWLEDGEMENTS_MIN, PROGRESS_WAIT_MAX).context("the first life")?;
    server.kill9()?;
    let (mut kills, mut not_counted) = (BTreeMap::new(), 0);
    while let Some((end, attempt)) = ends.pop() {
        let began = Instant::now();
        let counts = match end {
            End::Random(door) => kill_at_random(door, server, world, &mut chance)?,
            End::At(failpoint) => kill_at(failpoint, server, world, &mut chance)?,
        };
        let (took, acknowledged) = (began.elapsed().as_millis(), world.acknowledged_in_this_life());
        let verdict = if counts { "counts" } else { "does not count" };
        println!("kill at {}: {verdict}, after {took} ms and {acknowledged} acknowledgements", end.name());
        if counts {
            *kills.entry(end.name()).or_insert(0) += 1;
        } else {
            not_counted += 1;
            if attempt < ATTEMPTS_PER_KILL_MAX {
                ends.push((end, attempt + 1));
                // A life that ends at random lets pass what may have come before the clients did.
                let door = Door::ALL[usize::from(chance.below(2) == 0)];
                ends.push((End::Random(door), ATTEMPTS_PER_KILL_MAX));
            }
        }
    }
    world.life_begins();
    server.start_again(None)?;
    server.wait_ready()?;
    world.wait_acknowledged(ACKNOWLEDGEMENTS_MIN, PROGRESS_WAIT_MAX).context("the last life")?;
    Ok((kills, not_counted))
}

fn kill_at_random(door: Door, server: &mut Server, world: &World, chance: &mut Chance) -> anyhow::Result<bool> {
    world.life_begins();
    server.start_again(None)?;
    server.wait_ready()?;
    // Those whose requests shall be caught have come back by then.
    world.wait_acknowledged(ACKNOWLEDGEMENTS_MIN + chance.below(400), PROGRESS_WAIT_MAX)?;
    // Not at the moment of an acknowledgement, which is where this thread has just been woken.
    std::thread::sleep(Duration::from_micros(chance.below(15_000)));
    let in_flight = world.wait_in_flight(door, IN_FLIGHT_WAIT_MAX);
    server.kill9()?;
    // An acknowledgement may have been under way already. What is unanswered now stays so until the next life.
    Ok(world.is_any_unanswered(&in_flight))
}

fn kill_at(
    failpoint: &'static Failpoint,
    server: &mut Server,
    world: &World,
    chance: &mut Chance,
) -> anyhow::Result<bool> {
    world.life_begins();
    let count = failpoint.count_min + chance.below(failpoint.count_max - failpoint.count_min + 1);
    server.start_again(Some(&format!("{}:{count}", failpoint.name)))?;
    world.set_pressed(true);
    let ended = server.wait_end(FAILPOINT_WAIT_MAX);
    let (in_flight, acknowledged) = (world.in_flight(None), world.acknowledged_in_this_life());
    world.set_pressed(false);
    match ended {
        Ok(status) if status.success() => {
            bail!("the server ended by itself, without being asked:\n{}", server.output())
        }
        Ok(_) if !server.output().contains(&format!("failpoint {}", failpoint.name)) => {
            bail!("the server died of something else than failpoint {}:\n{}", failpoint.name, server.output())
        }
        // On a request's path the request that got there is in flight; elsewhere connections must have been up.
        Ok(_) => Ok(!in_flight.is_empty() && (failpoint.is_on_path || acknowledged > 0)),
        Err(_) => {
            server.kill9()?;
            Ok(false)
        }
    }
}
