//! What an administrator with a client in Rust has to do: the same as in `python/matrix_admin.py`.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{bail, ensure};

use super::adapter::{Adapter, Poller, Record};
use super::checks::{PATIENCE, compare, is_end, read_to_end, some, write_and_read, write_ends};

/// Does `feature` with a topic of its own.
pub fn check(client: &dyn Adapter, topic: &str, feature: &str) -> anyhow::Result<()> {
    match feature {
        "add-partitions" => add_partitions(client, topic),
        "configs" => configs(client, topic),
        "delete-records" => delete_records(client, topic),
        "describe-groups" => describe_groups(client, topic),
        "alter-groups" => alter_groups(client, topic),
        _ => bail!("no feature is called {feature}"),
    }
}

fn add_partitions(client: &dyn Adapter, topic: &str) -> anyhow::Result<()> {
    let mut records = some("before", 30, 2);
    write_and_read(client, topic, &records, 2, "none", false)?;
    client.add_partitions(topic, 4)?;
    let partitions = client.partitions(topic)?;
    ensure!(partitions == Some(4), "{partitions:?} partitions instead of 4");
    let mut after = some("after", 30, 2);
    after.iter_mut().for_each(|record| record.partition += 2);
    client.write(topic, &after, "none", false)?;
    // Those that are old get a second one.
    write_ends(client, topic, 4)?;
    records.extend(after);
    let mut reader = client.reader(topic, 4)?;
    compare(&records, &read_to_end(&mut [&mut reader], 6)?.concat(), 4)?;
    ensure!(client.add_partitions(topic, 1).is_err(), "fewer partitions were not refused");
    Ok(())
}

fn configs(client: &dyn Adapter, topic: &str) -> anyhow::Result<()> {
    const NAME: &str = "retention.ms";
    write_and_read(client, topic, &some("configs", 30, 1), 1, "none", false)?;
    let before = client.config(topic, NAME)?;
    ensure!(before.as_deref() == Some("604800000"), "the default is {before:?}");
    client.set_config(topic, NAME, "777000")?;
    let after = client.config(topic, NAME)?;
    ensure!(after.as_deref() == Some("777000"), "what was set is {after:?}");
    // rdkafka keeps from its users that a resource was refused, so what counts is that nothing has changed.
    let told = client.set_config(topic, NAME, "soon");
    let still = client.config(topic, NAME)?;
    ensure!(still == after, "a time that is none was taken: {still:?}, {told:?}");
    Ok(())
}

fn delete_records(client: &dyn Adapter, topic: &str) -> anyhow::Result<()> {
    let records = some("delete", 30, 1);
    write_and_read(client, topic, &records, 1, "none", false)?;
    client.delete_records(topic, 10)?;
    let mut reader = client.reader(topic, 1)?;
    compare(&records[10..], &read_to_end(&mut [&mut reader], 1)?.concat(), 1)
}

/// Makes a group whose one member has read and committed everything, and says what that was.
fn read_by_member(client: &dyn Adapter, topic: &str) -> anyhow::Result<(String, Box<dyn Poller>, Vec<Record>)> {
    client.create(topic, 2)?;
    let records = some("groups", 40, 2);
    client.write(topic, &records, "none", false)?;
    write_ends(client, topic, 2)?;
    let group = format!("{topic}-group");
    let mut member = client.member(&group, topic)?;
    compare(&records, &read_to_end(&mut [&mut member], 2)?.concat(), 2)?;
    member.commit()?;
    Ok((group, member, records))
}

fn until_empty(client: &dyn Adapter, group: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (state, members) = client.describe_group(group)?;
        if state == "Empty" && members == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the group is {state} with {members} members after its member has left");
    }
}

fn describe_groups(client: &dyn Adapter, topic: &str) -> anyhow::Result<()> {
    let (group, member, _) = read_by_member(client, topic)?;
    let described = client.describe_group(&group)?;
    ensure!(described == ("Stable".to_owned(), 1), "the group is {described:?}");
    drop(member);
    until_empty(client, &group)?;
    let groups = client.groups()?;
    ensure!(groups.contains(&group), "{group} is not among {groups:?}");
    let offsets = client.group_offsets(&group, topic)?;
    ensure!(offsets == BTreeMap::from([(0, 21), (1, 21)]), "its offsets are {offsets:?}");
    Ok(())
}

fn alter_groups(client: &dyn Adapter, topic: &str) -> anyhow::Result<()> {
    let (group, member, records) = read_by_member(client, topic)?;
    drop(member);
    until_empty(client, &group)?;
    let first = [(0, 5), (1, 7)];
    client.set_group_offsets(&group, topic, &first)?;
    let mut late = client.member(&group, topic)?;
    let read = read_to_end(&mut [&mut late], 2)?.concat();
    drop(late);
    let mut rest = Vec::new();
    for (partition, offset) in first {
        let here = records.iter().filter(|record| record.partition == partition);
        rest.extend(here.skip(usize::try_from(offset)?).cloned());
    }
    compare(&rest, &read, 2)?;
    let foreign = read.iter().filter(|record| !is_end(record)).count();
    ensure!(foreign == rest.len(), "{foreign} records instead of {}", rest.len());
    until_empty(client, &group)?;
    client.delete_group(&group)?;
    let groups = client.groups()?;
    ensure!(!groups.contains(&group), "{group} is deleted and still among {groups:?}");
    Ok(())
}
