//! The programs that are compared, with their flags.

/// One of the two programs, and how it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// `release-cli deploy`.
    Ours {
        /// What may be spoken.
        cipher: Cipher,
        /// Does the source's index survive from run to run?
        index: bool,
    },
    /// rsync, once for each host.
    Rsync {
        /// Besides `--delete`, and what tells it where things are.
        flags: &'static str,
        /// How hosts follow each other.
        order: Order,
        /// Which key exchange its `ssh` asks for.
        exchange: Exchange,
    },
}

/// What our side may encrypt with. rsync's `ssh` is always told `aes128-gcm@openssh.com`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// What it asks for first: `chacha20-poly1305@openssh.com` (decision 0007).
    Own,
    /// The hosts take `aes128-gcm@openssh.com` only.
    Aes,
}

/// How rsync gets to several hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One after the other.
    Loop,
    /// `xargs -P8`.
    Eight,
}

/// How rsync's `ssh` agrees on keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// `curve25519-sha256`, as our side does.
    Same,
    /// As OpenSSH does unasked: a hybrid that takes more processor time.
    Stock,
}

/// What a deploy does unasked.
pub const OURS: Side = Side::Ours {
    cipher: Cipher::Own,
    index: true,
};

/// The same with rsync's cipher.
pub const OURS_AES: Side = Side::Ours {
    cipher: Cipher::Aes,
    index: true,
};

/// A deploy from a source that was never scanned.
pub const OURS_UNKNOWN: Side = Side::Ours {
    cipher: Cipher::Own,
    index: false,
};

/// rsync with these flags, to one host or to one after the other.
pub const fn rsync(flags: &'static str) -> Side {
    Side::Rsync {
        flags,
        order: Order::Loop,
        exchange: Exchange::Same,
    }
}

/// rsync with these flags, to eight hosts at a time.
pub const fn rsync_by_eight(flags: &'static str) -> Side {
    Side::Rsync {
        flags,
        order: Order::Eight,
        exchange: Exchange::Same,
    }
}

/// rsync with these flags and the `ssh` of everybody.
pub const fn rsync_by_stock_ssh(flags: &'static str) -> Side {
    Side::Rsync {
        flags,
        order: Order::Loop,
        exchange: Exchange::Stock,
    }
}

impl Side {
    /// Is it our program?
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Ours { .. })
    }

    /// What tables call it.
    pub fn label(&self) -> String {
        match self {
            Self::Ours { cipher, index } => {
                let cipher = match cipher {
                    Cipher::Own => "",
                    Cipher::Aes => ", aes128-gcm",
                };
                let index = if *index { "" } else { ", source never scanned" };
                format!("release-cli{cipher}{index}")
            }
            Self::Rsync {
                flags,
                order,
                exchange,
            } => {
                let order = match order {
                    Order::Loop => "",
                    Order::Eight => "xargs -P8 ",
                };
                let exchange = match exchange {
                    Exchange::Same => "",
                    Exchange::Stock => ", OpenSSH's own key exchange",
                };
                format!("{order}rsync {flags}{exchange}")
            }
        }
    }
}
