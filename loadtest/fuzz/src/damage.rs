//! Ways to damage bytes that decoders get wrong.

use tidelog_host::Random;

/// What is written over counts and lengths.
const NUMBERS: [i64; 10] =
    [0, -1, 1, i32::MAX as i64, i32::MIN as i64, i16::MAX as i64, i16::MIN as i64, 0x7f, 0x80, i32::MAX as i64 - 1];

/// Damages `input` one to four times.
pub fn damage(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &Random) {
    for _ in 0..=random.below(4) {
        if input.is_empty() {
            input.push(random.next() as u8);
        }
        let at = random.below(input.len() as u64) as usize;
        match random.below(9) {
            0 => input[at] ^= 1 << random.below(8),
            1 => input[at] = random.next() as u8,
            2 => input[at] = [0, 0x7f, 0x80, 0xff][random.below(4) as usize],
            3 => input.truncate(at),
            4 => write(input, at, &number(random).to_be_bytes()[4..]),
            5 => write(input, at, &number(random).to_be_bytes()[6..]),
            6 => {
                // A varint that says more than there is.
                let bomb = [0xff, 0xff, 0xff, 0xff, 0x0f];
                write(input, at, &bomb[random.below(4) as usize..]);
            }
            7 => {
                let length = random.below((input.len() - at).min(64) as u64 + 1) as usize;
                let copy = input[at..at + length].to_vec();
                input.splice(at..at, copy);
            }
            _ => {
                let other = &corpus[random.below(corpus.len() as u64) as usize];
                if !other.is_empty() {
                    let from = random.below(other.len() as u64) as usize;
                    input.truncate(at);
                    input.extend_from_slice(&other[from..]);
                }
            }
        }
    }
}

fn number(random: &Random) -> i64 {
    NUMBERS[random.below(NUMBERS.len() as u64) as usize]
}

fn write(input: &mut [u8], at: usize, bytes: &[u8]) {
    let count = bytes.len().min(input.len() - at);
    input[at..at + count].copy_from_slice(&bytes[..count]);
}
