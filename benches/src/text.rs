//! Pages as a documentation generator writes them: a vocabulary of which few words are frequent, markup
//! around it, the same head and foot on each. zstd at its default level makes a quarter of them.

use crate::random::Random;

/// Words that there are.
const WORDS: usize = 12_000;

/// A draw is one of these; frequent words have many.
const DRAWS: usize = 1 << 16;

const SYLLABLES: [&str; 40] = [
    "ac", "al", "an", "ar", "at", "be", "ca", "ce", "co", "cu", "de", "di", "el", "en", "er", "es",
    "fi", "ge", "in", "is", "it", "la", "le", "li", "ma", "me", "mo", "na", "ne", "no", "or", "pa",
    "re", "ri", "se", "si", "ta", "te", "ti", "un",
];

/// The words of a corpus.
#[derive(Debug)]
pub struct Vocabulary {
    words: Vec<String>,
    draws: Vec<u16>,
}

impl Vocabulary {
    /// Words of one to four syllables; the n-th most frequent one is drawn in proportion to 1/n.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let words = (0..WORDS).map(|rank| {
            let most = if rank < 100 { 2 } else { 4 };
            let syllables = 1 + random.below(most);
            (0..syllables)
                .map(|_| SYLLABLES[random.below(SYLLABLES.len())])
                .collect()
        });
        let words = words.collect();
        let whole: f64 = (1..=WORDS).map(|rank| 1.0 / rank as f64).sum();
        let mut draws = Vec::with_capacity(DRAWS);
        let mut share = 0.0;
        for rank in 0..WORDS {
            share += DRAWS as f64 / (rank + 1) as f64 / whole;
            while draws.len() < share as usize {
                draws.push(rank as u16);
            }
        }
        draws.resize(DRAWS, 0);
        Self { words, draws }
    }

    /// A page of exactly `size` bytes.
    pub fn page(&self, random: &mut Random, size: usize) -> Vec<u8> {
        let mut page = String::with_capacity(size + 1024);
        let title = self.name(random);
        page += "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>";
        page += &title;
        page += HEAD;
        page += &format!("<h1>Struct <span class=\"struct\">{title}</span></h1>\n");
        while page.len() + FOOT.len() < size {
            match random.below(8) {
                0..6 => self.paragraph(random, &mut page),
                6 => self.item(random, &mut page),
                _ => self.code(random, &mut page),
            }
        }
        page += FOOT;
        page.truncate(size);
        page.into_bytes()
    }

    fn word(&self, random: &mut Random) -> &str {
        let draw = random.next() as usize % DRAWS;
        &self.words[usize::from(self.draws[draw])]
    }

    /// Two words in one, as types are called.
    fn name(&self, random: &mut Random) -> String {
        let mut name = String::new();
        for _ in 0..2 {
            let word = self.word(random);
            name += &word[..1].to_uppercase();
            name += &word[1..];
        }
        name
    }

    fn sentence(&self, random: &mut Random, page: &mut String) {
        for _ in 0..4 + random.below(12) {
            page.push_str(self.word(random));
            page.push(' ');
        }
        page.pop();
        page.push_str(". ");
    }

    fn paragraph(&self, random: &mut Random, page: &mut String) {
        page.push_str("<div class=\"docblock\"><p>");
        for _ in 0..2 + random.below(4) {
            self.sentence(random, page);
        }
        page.push_str("</p></div>\n");
    }

    fn item(&self, random: &mut Random, page: &mut String) {
        let (method, kind) = (self.word(random), self.name(random));
        page.push_str("<section id=\"method.");
        page.push_str(method);
        page.push_str("\" class=\"method\"><a class=\"src rightside\" href=\"../src/lib.rs.html#");
        page.push_str(&(random.below(4000)).to_string());
        page.push_str("\">source</a><h4 class=\"code-header\">pub fn <a href=\"#method.");
        page.push_str(method);
        page.push_str("\" class=\"fn\">");
        page.push_str(method);
        page.push_str("</a>(&amp;self) -&gt; <a class=\"struct\" href=\"struct.");
        page.push_str(&kind);
        page.push_str(".html\" title=\"struct ");
        page.push_str(&kind);
        page.push_str("\">");
        page.push_str(&kind);
        page.push_str("</a></h4></section>\n");
    }

    fn code(&self, random: &mut Random, page: &mut String) {
        page.push_str(
            "<div class=\"example-wrap\"><pre class=\"rust rust-example-rendered\"><code>",
        );
        for _ in 0..2 + random.below(5) {
            page.push_str("<span class=\"kw\">let </span>");
            page.push_str(self.word(random));
            page.push_str(" = ");
            page.push_str(self.word(random));
            page.push('.');
            page.push_str(self.word(random));
            page.push_str("();\n");
        }
        page.push_str("</code></pre></div>\n");
    }
}

const HEAD: &str = "</title><link rel=\"stylesheet\" href=\"../static.files/normalize.css\">\
<link rel=\"stylesheet\" href=\"../static.files/docs.css\" id=\"mainThemeStyle\">\
<script src=\"../static.files/storage.js\"></script><script defer src=\"sidebar-items.js\"></script></head>\
<body class=\"mod\"><nav class=\"sidebar\"><h2><a href=\"index.html\">Index</a></h2></nav><main>\n";

const FOOT: &str = "</main><footer>Generated.</footer></body></html>\n";
