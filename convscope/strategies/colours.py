"""The colours of kinds, in figures and on pages."""

# A colour a kind, told apart by people who see colours differently (Okabe and Ito 2008), and the same on the page.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d1f", "#444444")
