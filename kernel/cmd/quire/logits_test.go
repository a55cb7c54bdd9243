package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"quire/lib/checkpoint"
	"quire/lib/model"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// TestLogits prints the logits of a saved model: every row, or the last one, which is the same.
func TestLogits(t *testing.T) {
	c := model.Depth(1)
	c.VocabSize, c.BOS, c.EOS = 40, nil, nil
	w := c.NewWeights(tensor.Heap, dtype.F32)
	w.Init(c, 1)
	dir := filepath.Join(t.TempDir(), "model")
	if err := checkpoint.SaveHF(dir, c, w, checkpoint.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	run := func(cmd logitsCmd) (out logitsOutput) {
		t.Helper()
		var b strings.Builder
		if err := cmd.write(&b); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(b.String()), &out); err != nil {
			t.Fatalf("%q: %v", b.String(), err)
		}
		return out
	}
	all, last := run(logitsCmd{Model: dir, IDs: "3 1,4"}), run(logitsCmd{Model: dir, IDs: "3, 1, 4", Last: true})
	if len(all.IDs) != 3 || len(all.Logits) != 3 || len(all.Logits[2]) != 40 || len(last.Logits) != 1 || last.Logits[0][39] != all.Logits[2][39] {
		t.Errorf("all %v, last %v", all, last)
	}
	for ids, want := range map[string]string{"": "0 ids: want 1 to 2048", "1 x": `"x" is no id of a vocabulary of 40`, "40": `"40" is no id`, "-1": `"-1" is no id`} {
		if err := (&logitsCmd{Model: dir, IDs: ids}).write(&strings.Builder{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ids %q: error %v, want %q", ids, err, want)
		}
	}
}
