package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quire/lib/corpus/shard"
	"quire/lib/train"
)

// The command trains as its file says, goes on where it was when the file says more, and names what is wrong with the file.
func TestTrain(t *testing.T) {
	dir := t.TempDir()
	w, err := shard.Create(filepath.Join(dir, "a.tok"), shard.Options{VocabSize: 32})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if err := w.Append(fmt.Sprint(i), []uint32{3, 4, 5, 6, 7, uint32(i % 32), 8, 9, 10}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "config.json")
	write := func(steps int, more string) {
		shards, _ := json.Marshal(filepath.Join(dir, "*.tok"))
		run, _ := json.Marshal(filepath.Join(dir, "run"))
		text := fmt.Sprintf(`{"dir": %s, "model": {"depth": 1, "vocab_size": 32}, "seq_len": 8, "rows": 4, "micro_rows": 4, "steps": %d, "hold_out": 0,
			"data": [{"name": "a", "shards": [%s], "weight": 1}]%s}`, run, steps, shards, more)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, steps := range []int{3, 5} {
		write(steps, "")
		if err := (&trainCmd{Config: file, Every: 1}).Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		records, _, err := train.ReadMetrics(filepath.Join(dir, "run"))
		if err != nil || len(records) != steps || records[steps-1].Step != steps {
			t.Fatalf("%d records of %d steps: %v", len(records), steps, err)
		}
	}
	write(5, `, "lr": 1`)
	if err := (&trainCmd{Config: file}).Run(context.Background()); err == nil || !strings.Contains(err.Error(), `"lr"`) {
		t.Errorf("a misspelt setting: %v", err)
	}
}
