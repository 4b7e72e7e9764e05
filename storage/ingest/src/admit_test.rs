//! What a topic's settings let in, and what they make of it.

use tidelog_model::Codec;

use super::*;

const NOW: TimestampMs = TimestampMs(1_700_000_000_000);
const BOUNDED: Timestamps = Timestamps::CreateTime { before_ms_max: 1_000, after_ms_max: 10 };

fn rules(timestamps: Timestamps) -> AdmitRules {
    AdmitRules { batch_bytes_max: 1 << 20, encoding: None, timestamps, needs_keys: false }
}

/// Of an idempotent producer; records with these deltas to now, of one byte each.
fn batch(codec: Codec, deltas: &[i8]) -> Bytes {
    let mut body = Vec::new();
    for (index, delta) in deltas.iter().enumerate() {
        let zigzag = |value: i8| ((value << 1) ^ (value >> 7)) as u8;
        // A delta of one more byte when it does not fit seven bits.
        let delta = match zigzag(*delta) {
            small @ ..0x80 => vec![small],
            large => vec![large, 1],
        };
        body.push(2 * (6 + delta.len() as u8));
        body.push(0);
        body.extend(delta);
        body.extend([2 * index as u8, 1, 2, b'v', 0]);
    }
    let body = records::compress(codec, &body);
    let mut header = vec![0; HEADER_BYTES];
    header[16] = 2;
    header[23..27].copy_from_slice(&(deltas.len() as i32 - 1).to_be_bytes());
    header[27..35].copy_from_slice(&NOW.0.to_be_bytes());
    header[43..51].copy_from_slice(&7_i64.to_be_bytes());
    header[53..57].copy_from_slice(&41_i32.to_be_bytes());
    header[57..61].copy_from_slice(&(deltas.len() as i32).to_be_bytes());
    sealed(codec, TimestampType::CreateTime, &header, &body)
}

fn sealed(codec: Codec, timestamp_type: TimestampType, header: &[u8], body: &[u8]) -> Bytes {
    Bytes::from(Rewrite { codec, timestamp_type, max_timestamp: NOW }.apply(header, body))
}

fn one(bytes: &Bytes, rules: &AdmitRules) -> Result<CheckedBatch, AdmitError> {
    admit(bytes.clone(), rules, NOW).map(|mut batches| batches.remove(0))
}

#[test]
fn without_settings_the_bytes_are_those_that_came() {
    let sent = batch(Codec::Zstd, &[0, -60, 9]);
    let admitted = one(&sent, &rules(BOUNDED)).unwrap();
    assert_eq!(admitted.bytes.as_ptr(), sent.as_ptr(), "not copied");
    assert_eq!((admitted.records, admitted.max_timestamp.0), (3, NOW.0 + 9));
    assert_eq!(admitted.log_append_time(), None);
}

#[test]
fn the_time_of_an_append_is_written_into_the_header_alone() {
    for codec in [Codec::None, Codec::Lz4] {
        // Whatever the records say.
        let sent = batch(codec, &[-128, 127]);
        let admitted = admit(sent.clone(), &rules(Timestamps::LogAppendTime), TimestampMs(55)).unwrap().remove(0);
        assert_eq!((admitted.log_append_time(), admitted.max_timestamp), (Some(TimestampMs(55)), TimestampMs(55)));
        let checked = records::check_batch(&admitted.bytes).expect("the checksum is right again");
        assert_eq!(checked.header, admitted.header);
        let before = BatchHeader::read(&sent).unwrap();
        let expected = BatchHeader {
            attributes: before.attributes | 8,
            max_timestamp: TimestampMs(55),
            checksum: checked.header.checksum,
            ..before
        };
        assert_eq!(checked.header, expected);
        assert_eq!(admitted.bytes[HEADER_BYTES..], sent[HEADER_BYTES..]);
    }
}

#[test]
fn records_out_of_range_are_told_and_nothing_passes() {
    let bounded = Timestamps::CreateTime { before_ms_max: 20, after_ms_max: 10 };
    for codec in [Codec::None, Codec::Gzip] {
        assert!(one(&batch(codec, &[-20, 0, 10]), &rules(bounded)).is_ok());
        let refused = one(&batch(codec, &[11, 0, -21]), &rules(bounded)).unwrap_err();
        let AdmitError::Timestamps(refused) = refused else { panic!("{refused:?}") };
        let told = refused.records.iter().map(|(index, at)| (*index, at.0 - NOW.0)).collect::<Vec<_>>();
        assert_eq!(told, [(0, 11), (2, -21)]);
        assert_eq!((*refused.range.start(), *refused.range.end()), (NOW.0 - 20, NOW.0 + 10));
    }
    let widest = Timestamps::CreateTime { before_ms_max: i64::MAX, after_ms_max: i64::MAX };
    assert!(one(&batch(Codec::None, &[-128, 127]), &rules(widest)).is_ok());
}

#[test]
fn a_record_without_a_timestamp_is_in_range() {
    let mut header = batch(Codec::None, &[0])[..HEADER_BYTES].to_vec();
    header[27..35].fill(0xff);
    let sent = sealed(Codec::None, TimestampType::CreateTime, &header, &batch(Codec::None, &[0])[HEADER_BYTES..]);
    assert_eq!(one(&sent, &rules(BOUNDED)).unwrap().max_timestamp, NO_TIMESTAMP);
}

#[test]
fn a_producer_does_not_say_when_its_records_were_appended() {
    let sent = batch(Codec::None, &[0]);
    let stamped = sealed(Codec::None, TimestampType::LogAppendTime, &sent, &sent[HEADER_BYTES..]);
    let taken = one(&stamped, &rules(BOUNDED)).unwrap();
    assert_eq!(taken.header.timestamp_type(), TimestampType::CreateTime, "taken back, as Kafka does");
    assert_eq!(taken.bytes[HEADER_BYTES..], sent[HEADER_BYTES..], "the records are as sent");
    taken.header.check_checksum(&taken.bytes).unwrap();
    let ours = one(&stamped, &rules(Timestamps::LogAppendTime)).unwrap();
    assert_eq!((ours.header.timestamp_type(), ours.max_timestamp), (TimestampType::LogAppendTime, NOW));
    // A bit that was flipped on the way is damage: its producer sends the batch again.
    let mut flipped = sent.to_vec();
    flipped[22] |= 8;
    let error = one(&Bytes::from(flipped), &rules(BOUNDED)).unwrap_err();
    assert!(matches!(error, AdmitError::Records(RecordsError::Batch(BatchError::Checksum { .. }))), "{error:?}");
}

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

#[test]
fn a_topic_s_codec_changes_the_codec_and_nothing_else() {
    let deltas = [0, -60, 9];
    for (from, to) in CODECS.iter().flat_map(|from| CODECS.iter().map(move |to| (*from, *to))) {
        let sent = batch(from, &deltas);
        let rules = AdmitRules { encoding: Some(Encoding { codec: to, level: None }), ..rules(BOUNDED) };
        let admitted = one(&sent, &rules).unwrap();
        assert_eq!((admitted.sent_codec, admitted.header.codec()), (from, Ok(to)));
        if from == to {
            assert_eq!(admitted.bytes.as_ptr(), sent.as_ptr(), "not even copied");
            continue;
        }
        let checked = records::check_batch(&admitted.bytes).expect("whole and with a good checksum");
        let before = BatchHeader::read(&sent).unwrap();
        let expected = BatchHeader {
            bytes: admitted.bytes.len(),
            attributes: checked.header.attributes,
            max_timestamp: TimestampMs(NOW.0 + 9),
            checksum: checked.header.checksum,
            ..before
        };
        assert_eq!(
            (checked.header, admitted.header),
            (expected, expected),
            "producer, sequence, counts and times stay"
        );
        let plain = |codec, bytes: &[u8]| records::decompress(codec, &bytes[HEADER_BYTES..], 1 << 20).unwrap();
        assert_eq!(plain(to, &admitted.bytes), plain(from, &sent), "{from:?} to {to:?}");
        // Both settings at once.
        let both = AdmitRules { timestamps: Timestamps::LogAppendTime, ..rules };
        let stamped = one(&sent, &both).unwrap();
        assert_eq!((stamped.log_append_time(), stamped.header.codec()), (Some(NOW), Ok(to)));
        assert!(records::check_batch(&stamped.bytes).is_ok());
    }
}

#[test]
fn the_size_limit_holds_for_what_is_sent_and_for_what_is_stored() {
    let deltas = [0; 60];
    let (packed, plain) = (batch(Codec::Zstd, &deltas), batch(Codec::None, &deltas));
    let under = |bytes_max, codec, sent: &Bytes| {
        let encoding = Some(Encoding { codec, level: None });
        one(sent, &AdmitRules { batch_bytes_max: bytes_max, encoding, ..rules(BOUNDED) }).map(|it| it.bytes.len())
    };
    assert!(packed.len() < plain.len());
    assert_eq!(under(plain.len(), Codec::None, &packed), Ok(plain.len()));
    let bytes_max = plain.len() - 1;
    assert_eq!(under(bytes_max, Codec::None, &packed), Err(AdmitError::StoredTooLarge { bytes_max }));
    let as_sent = AdmitError::TooLarge { bytes: plain.len(), bytes_max };
    assert_eq!(under(bytes_max, Codec::Zstd, &plain), Err(as_sent));
}

/// A batch of two records as aiokafka 0.14 sends it without idempotence: no producer id, no epoch, but sequence 0.
const PLAIN_WITH_SEQUENCE: [u8; 80] = [
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x44, 0xff, 0xff, 0xff, 0xff, 0x02, 0x2a, 0x8c,
    0x37, 0xa5, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x01, 0x74, 0x87, 0x6e, 0x80, 0x00, 0x00, 0x00, 0x01,
    0x74, 0x87, 0x6e, 0x80, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x02, 0x10, 0x00, 0x00, 0x00, 0x02, 0x6b, 0x02, 0x76, 0x00, 0x12, 0x00, 0x02, 0x02, 0x02, 0x6b,
    0x04, 0x76, 0x32, 0x00,
];

#[test]
fn a_sequence_without_a_producer_is_not_looked_at() {
    let bytes = Bytes::from_static(&PLAIN_WITH_SEQUENCE);
    let any = Timestamps::CreateTime { before_ms_max: i64::MAX, after_ms_max: i64::MAX };
    let admitted = admit(bytes.clone(), &rules(any), NOW).unwrap();
    assert_eq!(admitted.len(), 1);
    assert_eq!((admitted[0].records, admitted[0].header.base_sequence), (2, 0));
    assert_eq!(admitted[0].bytes, bytes, "stored as sent");
}

#[test]
fn a_compacted_topic_takes_no_record_without_a_key() {
    let compacted = AdmitRules { needs_keys: true, ..rules(BOUNDED) };
    for codec in CODECS {
        let refused = one(&batch(codec, &[0, 1, 2]), &compacted).unwrap_err();
        assert_eq!(refused, AdmitError::WithoutKey { records: vec![0, 1, 2] });
    }
    // The second of three has a key of one byte.
    let mut body = Vec::new();
    body.extend([14, 0, 0, 0, 1, 2, b'v', 0]);
    body.extend([16, 0, 0, 2, 2, b'k', 2, b'v', 0]);
    body.extend([14, 0, 0, 4, 1, 2, b'v', 0]);
    let plain = batch(Codec::None, &[0, 0, 0]);
    let mixed = sealed(Codec::None, TimestampType::CreateTime, &plain[..HEADER_BYTES], &body);
    let refused = one(&mixed, &compacted).unwrap_err();
    assert_eq!(refused, AdmitError::WithoutKey { records: vec![0, 2] });
    assert!(one(&mixed, &rules(BOUNDED)).is_ok());
}

#[test]
fn a_batch_of_our_own_is_taken_as_one_that_came_would_be() {
    let built = |deltas: &[i64], key: Option<&[u8]>| {
        let mut builder = records::BatchBuilder::default();
        deltas.iter().for_each(|delta| builder.push(TimestampMs(NOW.0 + delta), key, Some(b"value"), &[]));
        builder.finish()
    };
    let rules_of = |timestamps, needs_keys, batch_bytes_max, encoding| AdmitRules {
        batch_bytes_max,
        encoding,
        timestamps,
        needs_keys,
    };
    let zstd = Some(Encoding { codec: Codec::Zstd, level: None });
    let mut refused = 0;
    for timestamps in [BOUNDED, Timestamps::LogAppendTime] {
        for needs_keys in [false, true] {
            for (bytes_max, encoding) in [(1 << 20, None), (1 << 20, zstd), (70, None)] {
                let rules = rules_of(timestamps, needs_keys, bytes_max, encoding);
                for (deltas, key) in
                    [(&[0, -60, 9][..], None), (&[0][..], Some(&b"k"[..])), (&[5, 11][..], None), (&[-1_001][..], None)]
                {
                    let built = built(deltas, key);
                    let came = one(&Bytes::copy_from_slice(built.bytes()), &rules);
                    let own = admit_built(built, &rules, NOW);
                    refused += u32::from(own.is_err());
                    match (came, own) {
                        (Ok(came), Ok(own)) => {
                            assert_eq!((own.bytes, own.header), (came.bytes, came.header));
                            assert_eq!((own.records, own.max_timestamp), (came.records, came.max_timestamp));
                        }
                        (came, own) => assert_eq!(own.err(), came.err()),
                    }
                }
            }
        }
    }
    assert!(refused > 10, "each rule is broken: {refused}");
}
