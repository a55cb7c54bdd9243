package plan

import (
	"fmt"
	"strings"
	"time"

	"quire/lib/show"
)

// decide walks the path from a model to an application.
func (p *Plan) decide() {
	add := func(question, answer, because string) { p.Path = append(p.Path, Decision{question, answer, because}) }
	g := p.Goal
	tune := true
	switch {
	case g == (Goal{Rank: g.Rank}):
		add("Is a ready model enough?", "no: train from nothing", "no task and no score of a ready model were given")
	case g.Needed == 0:
		add("Is a ready model enough?", "measure it first", "no score is known: evaluate a ready model on your own questions")
	case g.Ready >= g.Needed:
		tune = false
		add("Is a ready model enough?", "yes", fmt.Sprintf("it scores %.3g, the task needs %.3g", g.Ready, g.Needed))
	default:
		add("Is a ready model enough?", "no", fmt.Sprintf("it scores %.3g, the task needs %.3g", g.Ready, g.Needed))
	}
	if tune {
		p.decideTraining(add)
	}
	if g.Tools {
		add("Does it need tools?", "yes: an agent", "the task needs facts or actions that no text holds")
	} else {
		add("Does it need tools?", "no", "the task said nothing of facts or actions from outside")
	}
	add("Evaluate", "held-out text, then your own questions, with confidence intervals", "what is not measured is not known; check for contamination")
	if w := first(p.Serve); w != nil {
		add("Deploy", w.Name, fmt.Sprintf("the most precise format that fits: %s of %s", show.Size(Overhead(w.Total)), show.Size(p.Hardware.Memory)))
	} else {
		add("Deploy", "not on this machine", fmt.Sprintf("the smallest format needs %s, the machine has %s", show.Size(Overhead(p.Serve[len(p.Serve)-1].Total)), show.Size(p.Hardware.Memory)))
	}
}

func (p *Plan) decideTraining(add func(question, answer, because string)) {
	g := p.Goal
	if g.Examples > 0 || g.Needed > 0 {
		switch {
		case g.Examples == 0:
			add("Does it need tuning?", "yes, and examples first", "there are none to tune on")
		default:
			add("Does it need tuning?", "yes", fmt.Sprintf("there are %d examples", g.Examples))
		}
	}
	ways := p.Train
	if g == (Goal{Rank: g.Rank}) {
		ways = ways[:3] // adapters need a model to adapt
	}
	if w := first(ways); w != nil {
		add("In full or in part?", w.Name, fmt.Sprintf("the first way that fits: %s of %s", show.Size(Overhead(w.Total)), show.Size(p.Hardware.Memory)))
	} else {
		add("In full or in part?", "not on this machine", fmt.Sprintf("the smallest way needs %s, the machine has %s: take a smaller model or pass", show.Size(Overhead(ways[len(ways)-1].Total)), show.Size(p.Hardware.Memory)))
	}
}

func first(ways []Way) *Way {
	for i := range ways {
		if ways[i].Fits {
			return &ways[i]
		}
	}
	return nil
}

// MIMEBundle shows the plan as tables.
func (p *Plan) MIMEBundle() map[string]any {
	var b strings.Builder
	c := p.Model
	fmt.Fprintf(&b, "**%s, %d layers, hidden %d**: %s parameters, %s tokens in %d steps of %d\n\n", c.Family, c.NumLayers, c.HiddenSize,
		count(float64(p.Params)), count(float64(p.Data.Tokens)), p.Steps, p.Data.BatchTokens)
	p.effort(&b)
	p.memory(&b)
	b.WriteString("\n| decision | | because |\n|:---|:---|:---|\n")
	for _, q := range p.Path {
		fmt.Fprintf(&b, "| %s | **%s** | %s |\n", q.Question, q.Answer, q.Because)
	}
	return show.Markdown(b.String()).MIMEBundle()
}

func (p *Plan) effort(b *strings.Builder) {
	fmt.Fprintf(b, "| what it takes | |\n|:---|:---|\n| arithmetic | %sFLOP a token, %sFLOP in all (attention causal) |\n", metric(p.FLOPsPerToken), metric(p.FLOPs))
	if p.Time > 0 {
		fmt.Fprintf(b, "| time | %v at %s tokens/s |\n", p.Time.Round(time.Second), count(p.TokensPerSec))
		if p.MFU > 0 {
			fmt.Fprintf(b, "| of the measured peak | %.0f %% of %sFLOP/s |\n", 100*p.MFU, metric(p.Hardware.PeakBF16))
		}
	}
	fmt.Fprintf(b, "| machine | %s, %s free |\n", p.Hardware.Name, show.Size(p.Hardware.Memory))
}

func (p *Plan) memory(b *strings.Builder) {
	b.WriteString("\n| to train | learn | weights | gradients | optimiser | activations | saving | total | fits |\n|:---|---:|---:|---:|---:|---:|---:|---:|:---|\n")
	for _, w := range p.Train {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", w.Name, count(float64(w.Learn)), show.Size(w.Weights), show.Size(w.Gradients),
			show.Size(w.Optimizer), show.Size(w.Activations), show.Size(w.Saving), show.Size(w.Total), mark(w.Fits))
	}
	b.WriteString("\nFull training keeps weights, gradients and moments in F32 and multiplies in BF16; adapters stand on frozen weights, " +
		"LoRA's in BF16 and QLoRA's in NF4, and recompute in full.\n")
	fmt.Fprintf(b, "\n| to serve %d tokens | weights | cache | activations | total | fits | tokens/s, at most |\n|:---|---:|---:|---:|---:|:---|---:|\n", p.Model.MaxSeqLen)
	for _, w := range p.Serve {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", w.Name, show.Size(w.Weights), show.Size(w.KV), show.Size(w.Activations), show.Size(w.Total),
			mark(w.Fits), unlessZero(w.TokensPerSec))
	}
}

func mark(fits bool) string {
	if fits {
		return "yes"
	}
	return "no"
}

func unlessZero(v float64) string {
	if v == 0 {
		return ""
	}
	return count(v)
}

// count writes a number of things with three digits.
func count(v float64) string {
	if v < 9999.5 {
		return fmt.Sprintf("%.0f", v)
	}
	return strings.TrimSpace(scaled(v, "k", "M", "B", "T"))
}

// metric writes a number with three digits and the prefix of its unit.
func metric(v float64) string { return scaled(v, "k", "M", "G", "T", "P", "E", "Z", "Y") }

// scaled divides by thousands until three digits are left before the point, and names the last division.
func scaled(v float64, names ...string) string {
	name := ""
	for ; v >= 999.5 && len(names) > 0; names = names[1:] {
		v, name = v/1000, names[0]
	}
	return fmt.Sprintf("%.3g %s", v, name)
}
