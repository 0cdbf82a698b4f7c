// Nothing runs after exit.
// {"ends": ["ok"], "text": "^before$"}
text("before")
exit()
text("ESCAPED: after exit")
