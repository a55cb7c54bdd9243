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
	c, d := p.Model, p.Data
	fmt.Fprintf(&b, "**%s, %d layers, hidden %d**: %s parameters, %s tokens in %d steps of %d\n\n", c.Family, c.NumLayers, c.HiddenSize, count(p.Params), count(d.Tokens), p.Steps, d.BatchTokens)
	fmt.Fprintf(&b, "| arithmetic | %.3g FLOPs a token, %.3g in all (attention causal) |\n|---|---|\n", p.FLOPsPerToken, p.FLOPs)
	if p.Time > 0 {
		fmt.Fprintf(&b, "| time | %v at %.4g tokens/s |\n", p.Time.Round(time.Second), p.TokensPerSec)
		if p.MFU > 0 {
			fmt.Fprintf(&b, "| of the measured peak | %.0f %% of %.0f GFLOP/s |\n", 100*p.MFU, p.Hardware.PeakBF16/1e9)
		}
	}
	fmt.Fprintf(&b, "| machine | %s, %s free |\n", p.Hardware.Name, show.Size(p.Hardware.Memory))
	b.WriteString("\n| to train | weights | gradients | optimiser | activations | saving | total | fits | |\n|---|---:|---:|---:|---:|---:|---:|---|---|\n")
	for _, w := range p.Train {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", w.Name, show.Size(w.Weights), show.Size(w.Gradients), show.Size(w.Optimizer), show.Size(w.Activations), show.Size(w.Saving), show.Size(w.Total), mark(w.Fits), w.Note)
	}
	fmt.Fprintf(&b, "\n| to serve %d tokens | weights | cache | total | fits | |\n|---|---:|---:|---:|---|---|\n", c.MaxSeqLen)
	for _, w := range p.Serve {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", w.Name, show.Size(w.Weights), show.Size(w.KV), show.Size(w.Total), mark(w.Fits), w.Note)
	}
	b.WriteString("\n| decision | | because |\n|---|---|---|\n")
	for _, q := range p.Path {
		fmt.Fprintf(&b, "| %s | **%s** | %s |\n", q.Question, q.Answer, q.Because)
	}
	return show.Markdown(b.String()).MIMEBundle()
}

func mark(fits bool) string {
	if fits {
		return "yes"
	}
	return "no"
}

// count writes large numbers with three digits.
func count(n int64) string {
	switch v := float64(n); {
	case n >= 1e12:
		return fmt.Sprintf("%.3g T", v/1e12)
	case n >= 1e9:
		return fmt.Sprintf("%.3g B", v/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.3g M", v/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.3g k", v/1e3)
	}
	return fmt.Sprint(n)
}
