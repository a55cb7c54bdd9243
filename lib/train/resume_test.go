package train

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quire/simd"
)

// losses are the losses of a run by step, as bits: what must be equal.
func losses(records []Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, fmt.Sprintf("%d %x %x %x", r.Step, r.Loss, r.GradNorm, r.LR))
	}
	return out
}

func sameCurve(t *testing.T, what string, got, want []Record) {
	t.Helper()
	a, b := losses(got), losses(want)
	if len(a) != len(b) {
		t.Fatalf("%s: %d records, want %d", what, len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("%s: record %d is %s (loss %v), uninterrupted it is %s (loss %v)", what, i, a[i], got[i].Loss, b[i], want[i].Loss)
		}
	}
}

// copyRun is the configuration of c in another directory.
func copyRun(t *testing.T, c Config) Config {
	c.Dir = filepath.Join(t.TempDir(), "run")
	return c
}

// A run that is stopped and started again has the bits of one that was not, with the settings that a run can have, and
// with another number of threads behind the stop.
func TestResumedIsUninterrupted(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"adamw bf16":   func(*Config) {},
		"muon f32":     func(c *Config) { c.Optimizer.Method, c.Compute, c.Packing = "muon", "f32", "concat" },
		"accumulation": func(c *Config) { c.MicroRows, c.Ramp, c.ZLoss, c.Recompute = 3, Ramp{2, 1, 2}, 1e-4, "full" },
		"tied, smooth": func(c *Config) { c.Model.TieWordEmbeddings, c.LabelSmoothing, c.Packing = true, 0.1, "best-fit-crop" },
	} {
		t.Run(name, func(t *testing.T) {
			c := tiny(t, 12)
			change(&c)
			whole := must(t, c).History()
			cut := copyRun(t, c)
			r, err := Start(context.Background(), cut)
			if err != nil {
				t.Fatal(err)
			}
			for rec := range r.Follow(context.Background()) {
				if rec.Step == 5 {
					break
				}
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if n := r.Last().Step; n < 5 || n >= 12 {
				t.Fatalf("stopped behind step %d", n)
			}
			cut.Threads = simd.Default().Info().Threads + 1
			sameCurve(t, "resumed with another thread", must(t, cut).History(), whole)
		})
	}
}

// TestMain runs a training process when the environment asks for one: the child of TestKilled.
func TestMain(m *testing.M) {
	path := os.Getenv("QUIRE_TRAIN_CHILD")
	if path == "" {
		os.Exit(m.Run())
	}
	c, err := ReadConfig(path)
	if err == nil {
		var r *Run
		if r, err = Start(context.Background(), c); err == nil {
			known := len(r.History())
			for rec := range r.Follow(context.Background()) {
				if known--; known < 0 {
					fmt.Println("step", rec.Step)
				}
			}
			err = r.Wait(context.Background())
		}
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println("finished")
	os.Exit(0)
}

// A process that is killed at random moments and started again each time draws the curve of one that was left alone.
func TestKilled(t *testing.T) {
	c := tiny(t, 40)
	c.SaveEvery, c.EvalEvery = 3, 7
	whole := must(t, c)
	killed := copyRun(t, c)
	data, err := json.Marshal(killed)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(config, data, 0o644); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(20261123, 0))
	kills := 0
	for finished := false; !finished; {
		finished = runChild(t, config, 1+rng.IntN(12), time.Duration(rng.IntN(20))*time.Millisecond)
		if !finished {
			kills++
		}
		if kills > 60 {
			t.Fatal("60 kills and no end: a killed run makes no progress")
		}
	}
	t.Logf("killed %d times", kills)
	if kills == 0 {
		t.Error("the child was never killed")
	}
	records, events, err := ReadMetrics(killed.Dir)
	if err != nil {
		t.Fatal(err)
	}
	sameCurve(t, "killed", records, whole.History())
	evals := 0
	for _, e := range events {
		if e.Evaluation != nil {
			if want := whole.Evaluations()[evals]; e.Evaluation.Step != want.Step || e.Evaluation.All != want.All {
				t.Errorf("evaluation of step %d: %+v, want %+v", e.Step, e.Evaluation.All, want.All)
			}
			evals++
		}
	}
	if evals != len(whole.Evaluations()) {
		t.Errorf("%d evaluations, want %d", evals, len(whole.Evaluations()))
	}
}

// runChild starts a training process and kills it some time behind its n-th step of this life; finished is true when it came to its end before.
func runChild(t *testing.T, config string, n int, later time.Duration) (finished bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "QUIRE_TRAIN_CHILD="+config)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for seen := 0; lines.Scan(); {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "step "):
			if seen++; seen == n {
				time.AfterFunc(later, func() { cmd.Process.Kill() })
			}
		case line == "finished":
			finished = true
		default:
			t.Errorf("the child says: %s", line)
		}
	}
	cmd.Wait()
	return finished
}

// Metrics that lost their end, as a power failure does, cost the lines that are gone and not the run.
func TestCutMetrics(t *testing.T) {
	c := tiny(t, 6)
	must(t, c).Close()
	path := filepath.Join(c.Dir, metricsFile)
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()-10)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Steps = 8
	must(t, c)
	records, _, err := ReadMetrics(c.Dir)
	if err != nil || len(records) != 7 || records[6].Step != 8 || records[5].Step != 7 {
		t.Errorf("%d records, %v", len(records), err)
	}
}
