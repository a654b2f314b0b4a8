//! Numbers that a seed decides.

/// Marsaglia's xorshift64*: small, fast, and the same on every machine.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A generator whose numbers depend on `seed` alone.
    pub fn new(seed: u64) -> Self {
        // Zero is the one state that the generator never leaves; the constant spreads small seeds.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The low bits of this generator are its weak ones.
        (self.bits() >> 16) % bound
    }

    /// True once in `times`, as a rule.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Bytes that don't compress.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.bits().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    /// Lines that look and compress like source code.
    pub fn text(&mut self, length: usize) -> Vec<u8> {
        const WORDS: [&str; 24] = [
            "self", "return", "for", "in", "if", "else", "def", "class", "import", "from", "None",
            "request", "response", "value", "field", "model", "query", "name", "index", "error",
            "(", ")", ":", "=",
        ];
        let mut text = Vec::with_capacity(length + 32);
        while text.len() < length {
            let end = if self.once_in(9) { "\n" } else { " " };
            let word = WORDS[self.below(WORDS.len() as u64) as usize];
            text.extend_from_slice(word.as_bytes());
            if self.once_in(5) {
                text.extend_from_slice(format!("_{}", self.below(10_000)).as_bytes());
            }
            text.extend_from_slice(end.as_bytes());
        }
        text.truncate(length);
        text
    }
}
