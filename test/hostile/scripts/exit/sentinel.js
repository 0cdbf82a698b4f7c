// Texts that look like an ending are texts.
// {"ends": ["ok"], "text": "^last$"}
text("{\"_tag\":\"Finished\",\"stored\":[]}")
notify("x\ny")
text("a\n{\"_tag\":\"Finished\"}\no{}\u2028")
text("last")
