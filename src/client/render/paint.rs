//! Colour, or none: the few roles that text plays.

/// Wraps text in ANSI colours when it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// No colour.
    pub const PLAIN: Self = Self { on: false };

    /// With colour, or without.
    #[must_use]
    pub fn new(on: bool) -> Self {
        Self { on }
    }

    /// Whether it is on.
    #[must_use]
    pub fn is_on(self) -> bool {
        self.on
    }

    /// As it should be.
    #[must_use]
    pub fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Not there yet.
    #[must_use]
    pub fn middling(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// Somebody must act.
    #[must_use]
    pub fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(self, text: &str) -> String {
        self.wrap("36", text)
    }

    /// What may be skipped.
    #[must_use]
    pub fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// A name among others: always the same colour for the same one.
    #[must_use]
    pub fn name(self, text: &str, name: &str) -> String {
        const COLOURS: [&str; 8] = ["36", "35", "34", "32", "33", "96", "95", "94"];
        let sum = name.bytes().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(byte.into())
        });
        self.wrap(COLOURS[sum % COLOURS.len()], text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
