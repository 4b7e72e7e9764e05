//! The server's memory as the kernel counts it.

/// Memory of one process.
pub struct Memory {
    process: u32,
}

impl Memory {
    pub fn of(process: u32) -> Memory {
        Memory { process }
    }

    /// Resident now.
    pub fn now_mib(&self) -> u64 {
        self.field("VmRSS:")
    }

    /// The most that was ever resident.
    pub fn peak_mib(&self) -> u64 {
        self.field("VmHWM:")
    }

    fn field(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process)).expect("the server lives");
        let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel says it");
        let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kibibytes / 1024
    }
}
