//! Exchange codes of the US tapes, and the names people know them by.

use std::fmt;

/// The exchange of a trade. `Display` writes its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exchange<'a>(&'a str);

impl<'a> Exchange<'a> {
    /// From a one-letter code of the tapes, as Alpaca sends it.
    pub fn from_code(code: &'a str) -> Self {
        Self(code)
    }

    /// The code as it was sent, such as `Q`.
    pub fn code(self) -> &'a str {
        self.0
    }

    /// The name, such as `NASDAQ`; a code without a known name stands for itself.
    ///
    /// Codes: CTA and UTP plan participants, <https://docs.alpaca.markets/reference/stockmetaexchanges-1>.
    /// `Q` and `T` are both NASDAQ: `T` is how it signs trades of other exchanges' listings.
    pub fn name(self) -> &'a str {
        match self.0 {
            "A" => "NYSE American",
            "B" => "NASDAQ BX",
            "C" => "NYSE National",
            "D" => "FINRA ADF",
            "E" => "Market Independent",
            "H" => "MIAX",
            "I" => "ISE",
            "J" => "Cboe EDGA",
            "K" => "Cboe EDGX",
            "L" => "LTSE",
            "M" => "NYSE Chicago",
            "N" => "NYSE",
            "P" => "NYSE Arca",
            "Q" | "T" => "NASDAQ",
            "S" => "NASDAQ Small Cap",
            "U" => "MEMX",
            "V" => "IEX",
            "W" => "CBOE",
            "X" => "NASDAQ PSX",
            "Y" => "Cboe BYX",
            "Z" => "Cboe BZX",
            unknown => unknown,
        }
    }
}

impl fmt::Display for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Exchange;

    #[test]
    fn codes_are_spelled_out_and_unknown_ones_pass_through() {
        for (code, name) in [("V", "IEX"), ("Q", "NASDAQ"), ("N", "NYSE"), ("?", "?"), ("", "")] {
            assert_eq!(Exchange::from_code(code).name(), name);
        }
    }
}
