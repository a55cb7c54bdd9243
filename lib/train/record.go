package train

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Record is what one step tells. The names in JSON are those of InternEvo's log line where it has the number.
type Record struct {
	Step        int             `json:"step"`
	Loss        float64         `json:"loss"` // mean cross-entropy of the batch in nats, before the step; without z-loss, smoothed where labels are
	LR          float64         `json:"lr"`
	GradNorm    float64         `json:"grad_norm"` // before clipping
	Perplexity  float64         `json:"perplexity"`
	BitsPerByte float64         `json:"bits_per_byte,omitempty"`
	Tokens      int64           `json:"num_consumed_tokens"`
	Rows        int             `json:"num_samples_in_batch"`
	Micro       int             `json:"micro_num"` // passes that the batch took
	Longest     int             `json:"largest_length"`
	Skipped     int             `json:"inf_nan_skip_batches"` // steps so far that the guard kept from the weights
	TGS         float64         `json:"tgs"`                  // tokens a second, padding included; a machine counts as one GPU
	RealTGS     float64         `json:"real_tgs"`             // without padding
	TFLOPS      float64         `json:"tflops"`               // of the model, recomputation not counted
	MFU         float64         `json:"mfu,omitempty"`        // TFLOPS over the machine's measured peak in the compute type
	FwdBwd      float64         `json:"fwd_bwd_time"`         // seconds
	Seconds     float64         `json:"step_time"`
	SaveWait    float64         `json:"save_wait,omitempty"` // seconds that checkpoints kept the loop since the step before
	Sources     map[string]Part `json:"sources"`
	Languages   map[string]Part `json:"languages,omitempty"` // where they are not the sources
	Left        float64         `json:"time_left"`           // seconds, at the recent pace
	Spike       bool            `json:"spike,omitempty"`     // this step was kept from the weights
	Time        time.Time       `json:"time"`
}

// Part is the share of a source or language in a batch or an evaluation.
type Part struct {
	Loss        float64 `json:"loss"`
	Tokens      int     `json:"tokens"`
	Bytes       int     `json:"bytes,omitempty"`
	BitsPerByte float64 `json:"bits_per_byte,omitempty"`
}

// String is the log line.
func (r Record) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tflops=%.3g step=%d loss=%.4f tgs=%.0f real_tgs=%.0f lr=%.3g grad_norm=%.3f micro_num=%d num_consumed_tokens=%d inf_nan_skip_batches=%d num_samples_in_batch=%d largest_length=%d fwd_bwd_time=%.3g perplexity=%.4g",
		r.TFLOPS, r.Step, r.Loss, r.TGS, r.RealTGS, r.LR, r.GradNorm, r.Micro, r.Tokens, r.Skipped, r.Rows, r.Longest, r.FwdBwd, r.Perplexity)
	if r.BitsPerByte > 0 {
		fmt.Fprintf(&b, " bits_per_byte=%.4f", r.BitsPerByte)
	}
	if r.MFU > 0 {
		fmt.Fprintf(&b, " mfu=%.1f%%", 100*r.MFU)
	}
	parts := r.Languages
	if parts == nil {
		parts = r.Sources
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		fmt.Fprintf(&b, " loss/%s=%.4f tokens/%s=%d", name, parts[name].Loss, name, parts[name].Tokens)
	}
	if r.Spike {
		b.WriteString(" spike=skipped")
	}
	return b.String() + " time_left=" + (time.Duration(r.Left) * time.Second).String()
}

// scalars are the record's curves.
func (r Record) scalars() map[string]float64 {
	m := map[string]float64{
		"train/loss": r.Loss, "train/lr": r.LR, "train/grad_norm": r.GradNorm, "train/perplexity": r.Perplexity, "train/tokens": float64(r.Tokens),
		"speed/tgs": r.TGS, "speed/real_tgs": r.RealTGS, "speed/tflops": r.TFLOPS,
	}
	if r.BitsPerByte > 0 {
		m["train/bits_per_byte"] = r.BitsPerByte
	}
	if r.MFU > 0 {
		m["speed/mfu"] = r.MFU
	}
	for name, p := range r.Sources {
		m["train/loss/"+name] = p.Loss
	}
	for language, p := range r.Languages {
		m["train/language_loss/"+language] = p.Loss
	}
	return m
}

// tally adds up losses.
type tally struct {
	nats          float64
	tokens, bytes int
}

func (t *tally) add(nats float64, tokens, bytes int) {
	t.nats += nats
	t.tokens += tokens
	t.bytes += bytes
}

// part is the tally as means.
func (t tally) part() Part {
	p := Part{Loss: t.nats / float64(max(1, t.tokens)), Tokens: t.tokens, Bytes: t.bytes}
	if t.bytes > 0 {
		p.BitsPerByte = t.nats / math.Ln2 / float64(t.bytes)
	}
	return p
}

// tallies keeps one tally for each source, and for all.
type tallies struct {
	all     tally
	sources map[string]*tally
}

func newTallies() *tallies { return &tallies{sources: map[string]*tally{}} }

func (t *tallies) add(source string, nats float64, tokens, bytes int) {
	if t.sources[source] == nil {
		t.sources[source] = &tally{}
	}
	t.sources[source].add(nats, tokens, bytes)
	t.all.add(nats, tokens, bytes)
}

// parts are the tallies by source and by language; the second is nil where languages are the sources.
func (t *tallies) parts(language map[string]string) (bySource, byLanguage map[string]Part) {
	bySource = map[string]Part{}
	sums := map[string]*tally{}
	for _, name := range slices.Sorted(maps.Keys(t.sources)) {
		s := t.sources[name]
		bySource[name] = s.part()
		lang := language[name]
		if lang == "" {
			lang = name
		}
		if sums[lang] == nil {
			sums[lang] = &tally{}
		}
		sums[lang].add(s.nats, s.tokens, s.bytes)
	}
	same := true
	byLanguage = map[string]Part{}
	for lang, s := range sums {
		_, isSource := bySource[lang]
		same = same && isSource
		byLanguage[lang] = s.part()
	}
	if same && len(byLanguage) == len(bySource) {
		return bySource, nil
	}
	return bySource, byLanguage
}
