package train

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"quire/lib/token"
	"quire/lib/train/optim"
)

// must starts a run, waits for its end and returns it.
func must(t testing.TB, c Config) *Run {
	t.Helper()
	r, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if err := r.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	return r
}

// unigram is the entropy of the corpus's tokens, in nats: what a model reaches that knows how frequent tokens are and nothing else.
func unigram(t *testing.T) (h float64) {
	corpus, err := goSource()
	if err != nil {
		t.Skipf("no Go source to train on: %v", err)
	}
	count, total := map[uint32]float64{}, 0.0
	for _, text := range corpus.texts {
		ids, err := corpus.tok.Encode(text, token.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			count[id]++
			total++
		}
	}
	for _, n := range count {
		h -= n / total * math.Log(n/total)
	}
	return h
}

// A run on real text learns more than frequencies, about text that it has not seen, and says so in every way.
func TestLossFalls(t *testing.T) {
	c := tiny(t, 200)
	c.EvalEvery = 100
	r := must(t, c)
	h := r.History()
	if len(h) != 200 {
		t.Fatalf("%d records, want 200", len(h))
	}
	first, last := h[0], h[len(h)-1]
	if want := math.Log(512); math.Abs(first.Loss-want) > 0.2 {
		t.Errorf("the first loss is %.3f, of random weights want about %.3f", first.Loss, want)
	}
	e, bar := r.Evaluations(), unigram(t)
	if len(e) != 2 || e[1].All.Loss > bar-0.3 || e[1].All.BitsPerByte >= e[0].All.BitsPerByte {
		t.Errorf("evaluations %+v, the entropy of tokens is %.3f", e, bar)
	}
	t.Logf("loss %.3f to %.3f, held out %.3f, frequencies alone %.3f", first.Loss, last.Loss, e[1].All.Loss, bar)
	if all, p := last.Sources["code"].Tokens+last.Sources["test"].Tokens, last.Languages["go"]; p.Tokens != all || all == 0 || math.Abs(p.Loss-last.Loss) > 1e-9 {
		t.Errorf("sources %v, languages %v of loss %v", last.Sources, last.Languages, last.Loss)
	}
	if bits := last.Loss / math.Ln2 * float64(last.Languages["go"].Tokens) / float64(last.Languages["go"].Bytes); math.Abs(bits-last.BitsPerByte) > 1e-9 || bits > 8 {
		t.Errorf("%v bits per byte, want %v", last.BitsPerByte, bits)
	}
	for _, want := range []string{"tgs=", "real_tgs=", "lr=", "grad_norm=", "num_consumed_tokens=", "perplexity=", "loss/go=", "bits_per_byte=", "time_left=0s"} {
		if !strings.Contains(last.String(), want) {
			t.Errorf("no %s in the log line %s", want, last)
		}
	}
	records, _, err := ReadMetrics(c.Dir)
	if err != nil || !reflect.DeepEqual(losses(records), losses(h)) {
		t.Errorf("the metrics on the disk are not the history: %v", err)
	}
	if p := e[1].Languages["go"]; p.Tokens != e[1].Sources["code"].Tokens+e[1].Sources["test"].Tokens || p.Tokens == 0 || math.Abs(p.BitsPerByte-e[1].All.BitsPerByte) > 1e-9 {
		t.Errorf("held out by source %+v and by language %+v", e[1].Sources, e[1].Languages)
	}
	files, _ := filepath.Glob(filepath.Join(c.Dir, "events.out.tfevents.*"))
	if len(files) != 1 {
		t.Fatalf("event files: %v", files)
	}
	events, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, curve := range []string{"train/loss", "train/language_loss/go", "train/grad_norm", "speed/real_tgs"} {
		if n := bytes.Count(events, []byte("\n"+string(rune(len(curve)))+curve+"\x15")); n != len(h) {
			t.Errorf("TensorBoard gets %d points of %s, want %d", n, curve, len(h))
		}
	}
}

// The loop takes its batches from the ramp and its rates from the schedule, and the seed decides everything else.
func TestRampAndScheduleInTheLoop(t *testing.T) {
	c := tiny(t, 6)
	c.Ramp, c.Schedule = Ramp{Start: 2, Increment: 3, Every: 2}, optim.Schedule{Shape: optim.WSD, LR: 1e-3, MinLR: 1e-4, WarmupSteps: 2, DecaySteps: 2}
	h := must(t, c).History()
	for i, rows := range []int{2, 2, 5, 5, 8, 8} {
		if lr := []float64{5e-4, 1e-3, 1e-3, 1e-3, 5.5e-4, 1e-4}[i]; h[i].Rows != rows || math.Abs(h[i].LR-lr) > 1e-12 {
			t.Errorf("step %d: %d rows at %v, want %d at %v", i+1, h[i].Rows, h[i].LR, rows, lr)
		}
	}
	sameCurve(t, "the same seed", must(t, copyRun(t, c)).History(), h)
	other := copyRun(t, c)
	other.Seed++
	if got := must(t, other).History(); got[0].Loss == h[0].Loss {
		t.Errorf("another seed begins with the same loss, %v", got[0].Loss)
	}
}

// Gradients that are clipped to far less than Adam's epsilon move nothing; the recorded norm is the one before clipping.
func TestClip(t *testing.T) {
	last := func(clip float64) Record {
		c := tiny(t, 30)
		c.Clip, c.Optimizer.Decay = clip, optim.Decay{}
		return must(t, c).Last()
	}
	free, held := last(0), last(1e-12)
	if start := math.Log(512); math.Abs(held.Loss-start) > 0.2 || free.Loss > held.Loss-0.5 || held.GradNorm < 0.1 {
		t.Errorf("unclipped to loss %.3f; clipped to 1e-12, loss %.3f with norm %.3g", free.Loss, held.Loss, held.GradNorm)
	}
}

// After equal tokens the loss of bf16 products is within half a percent of that of f32.
func TestBF16LearnsAsF32(t *testing.T) {
	mean := func(compute string) (sum float64) {
		c := tiny(t, 150)
		c.Compute = compute
		h := must(t, c).History()
		for _, r := range h[100:] {
			sum += r.Loss / 50
		}
		return sum
	}
	f32, bf16 := mean("f32"), mean("bf16")
	t.Logf("mean loss of the last 50 steps: f32 %.5f, bf16 %.5f (%+.3f %%)", f32, bf16, 100*(bf16/f32-1))
	if math.Abs(bf16/f32-1) > 0.005 {
		t.Errorf("bf16 learns to %.5f and f32 to %.5f: more than 0.5 %% apart", bf16, f32)
	}
}

// Micro-batches change nothing but the order of sums.
func TestAccumulationIsOneBatch(t *testing.T) {
	run := func(micro int) []Record {
		c := tiny(t, 4)
		c.MicroRows, c.Compute = micro, "f32"
		return must(t, c).History()
	}
	whole, parts := run(8), run(3)
	for i := range whole {
		if d := math.Abs(whole[i].Loss - parts[i].Loss); d > 2e-5 || parts[i].Micro != 3 || whole[i].Micro != 1 {
			t.Errorf("step %d: loss %v in one pass and %v in %d", i+1, whole[i].Loss, parts[i].Loss, parts[i].Micro)
		}
	}
}

// The data's end is the run's end, and no error.
func TestDataEnds(t *testing.T) {
	c := tiny(t, 100000)
	for i := range c.Data {
		c.Data[i].Epochs = 0.2
	}
	r := must(t, c)
	if n := r.Last().Step; n == 0 || n > 10000 {
		t.Errorf("ended behind step %d", n)
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "model", "config.json")); err != nil {
		t.Error(err)
	}
}

func TestRamp(t *testing.T) {
	r := Ramp{Start: 2, Increment: 3, Every: 4}
	for step, want := range map[int]int{1: 2, 4: 2, 5: 5, 8: 5, 9: 8, 13: 10, 1000: 10} {
		if got := r.Rows(step, 10); got != want {
			t.Errorf("step %d: %d rows, want %d", step, got, want)
		}
	}
	if (Ramp{}).Rows(1, 7) != 7 {
		t.Error("no ramp is not the full batch")
	}
}

// A configuration survives JSON, and what is wrong with one is named.
func TestConfigJSON(t *testing.T) {
	c := tiny(t, 10)
	c.Probes = []Probe{{Name: "p", Items: []ProbeItem{{Question: "a", Choices: []string{"b", "c"}}}}}
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseConfig(data)
	if err != nil || !reflect.DeepEqual(back, c) {
		t.Errorf("through JSON: %v\n%+v\n%+v", err, back, c)
	}
	short, err := ParseConfig([]byte(`{"model": {"depth": 4, "vocab_size": 4096}, "steps": 100, "data": [{"name": "a", "shards": ["a.tok"], "weight": 1}]}`))
	if err != nil || short.Model.NumLayers != 4 || short.Model.VocabSize != 4096 || short.Steps != 100 || short.Clip != 1 {
		t.Errorf("the short form: %v %+v", err, short)
	}
	for text, want := range map[string]string{
		`{`:                         "configuration",
		`{"model": "gpt-5"}`:        "no preset",
		`{"model": {"depth": 999}}`: "depth",
		`{"model": {"depth": 2}}`:   "no data",
		`{"model": {"depth": 2}, "learning_rate": 1}`:                                                      "learning_rate",
		`{"model": {"depth": 2}, "compute": "fp16"}`:                                                       "loss scaling",
		`{"model": {"depth": 2}, "packing": "random"}`:                                                     "packing",
		`{"model": {"depth": 2}, "recompute": "some"}`:                                                     "recompute",
		`{"model": {"depth": 2}, "seq_len": 100000}`:                                                       "seq_len",
		`{"model": {"depth": 2}, "guard": {"patience": 0}}`:                                                "patience",
		`{"model": {"depth": 2, "layers": 4}}`:                                                             `unknown field "layers"`,
		`{"model": {"depth": 2}, "steps": "a"}`:                                                            "is a string: want a whole number",
		`{"model": {"depth": 2}, "guard": {"factor": "2"}}`:                                                "configuration: guard.factor at",
		`{"model": {"depth": 2}, "bos": 1}`:                                                                "is a number: want a list",
		`{"model": {"depth": 2}, "rows": 0}`:                                                               "rows is 0: want 1 to 1048576",
		`{"model": {"depth": 2}, "steps": -1}`:                                                             "steps is -1: want 1 or more",
		`{"model": {"depth": 2}, "data": [{"name": "a", "shards": ["b"]}]}`:                                `source "a": weight is 0`,
		`{"model": {"depth": 2}, "data": [{"name": "a", "shards": ["b"], "weight": -1}]}`:                  `source "a": weight is -1: want 0 or more`,
		`{"model": {"depth": 2}, "data": [{"name": "a", "shards": ["b"], "weight": 1, "epochs": -1}]}`:     `source "a": epochs is -1`,
		`{"model": {"depth": 2}, "eos": [9999999], "data": [{"name": "a", "shards": ["b"], "weight": 1}]}`: "eos has token 9999999: want ids below",
		`{"model": {"depth": 2}, "schedule": {"shape": "linear"}}`:                                         "schedule",
	} {
		if _, err := ParseConfig([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want an error about %s, got %v", text, want, err)
		}
	}
}

// No configuration makes the reader panic, and what it accepts can be written and read again.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"model": {"depth": 2}, "steps": 9, "data": [{"name": "a", "shards": ["a"], "weight": 1}]}`))
	f.Add([]byte(`{"model": "internlm2-1_8b", "ramp": {"start": 1, "increment": 1, "every": 1}, "data": [{"name": "a", "shards": ["a"]}]}`))
	f.Add([]byte(`{"model": {"depth": -1, "preset": "x"}, "seq_len": -5, "schedule": null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data)
		if err != nil {
			return
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseConfig(text); err != nil || back.SeqLen != c.SeqLen || back.Schedule != c.Schedule {
			t.Errorf("%s: %v", text, err)
		}
	})
}

// What does not fit together is said before anything is trained.
func TestStartRefuses(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"no file":            func(c *Config) { c.Data[0].Shards = []string{"absent-*.tok"} },
		"vocabulary":         func(c *Config) { c.Model.VocabSize = 300 },
		"tokenizer":          func(c *Config) { c.Tokenizer, c.Prompts = "", []string{"a"} },
		"train: tokenizer: ": func(c *Config) { c.Tokenizer = "absent.model" },
		"train: from: ":      func(c *Config) { c.From = "absent" },
	} {
		c := tiny(t, 3)
		change(&c)
		if _, err := Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error about %s, got %v", want, err)
		}
	}
	c := tiny(t, 3)
	c.Tokenizer, c.Model.VocabSize = "", 300
	r, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "use the tokenizer that the shards were made with") {
		t.Errorf("tokens outside of the vocabulary: %v", err)
	}
	if err := r.Close(); err == nil {
		t.Error("Close hides the run's error")
	}
	c = tiny(t, 3)
	must(t, c).Close()
	c.Model.NumLayers, c.Steps = 1, 6
	if _, err := Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), "choose another Dir") {
		t.Errorf("another model in the same directory: %v", err)
	}
}
