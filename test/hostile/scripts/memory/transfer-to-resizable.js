// Makes buffers larger by transferring them.
// {"ends": ["LimitExceeded", "ScriptError", "IsolateLost"], "seconds": 20, "neighbour": "may be lost"}
const a = []
for (;;) a.push(new ArrayBuffer(1).transfer(2 ** 26))
