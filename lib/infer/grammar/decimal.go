package grammar

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// decimal is a number as digits: no zeros that say nothing, whole is "0" below one.
type decimal struct {
	neg         bool
	whole, frac string
}

// maxDigits bounds the digits of a number of a schema on either side of the point.
const maxDigits = 400

// parseDecimal reads a JSON number.
func parseDecimal(text string) (decimal, error) {
	s, neg := strings.CutPrefix(text, "-")
	mantissa, exponent := s, "0"
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent = s[:i], s[i+1:]
	}
	e, err := strconv.Atoi(exponent)
	whole, frac, _ := strings.Cut(mantissa, ".")
	if err != nil || e > maxDigits || e < -maxDigits || len(mantissa) > maxDigits {
		return decimal{}, fmt.Errorf("the number %.40s… has more than %d digits", text, maxDigits)
	}
	if e > 0 {
		frac += strings.Repeat("0", max(0, e-len(frac)))
		whole, frac = whole+frac[:e], frac[e:]
	} else {
		whole = strings.Repeat("0", max(0, -e-len(whole))) + whole
		whole, frac = whole[:len(whole)+e], whole[len(whole)+e:]+frac
	}
	d := decimal{neg, strings.TrimLeft(whole, "0"), strings.TrimRight(frac, "0")}
	if d.whole == "" {
		d.whole = "0"
	}
	d.neg = neg && (d.whole != "0" || d.frac != "")
	return d, nil
}

func (d decimal) String() string {
	s := d.whole
	if d.frac != "" {
		s += "." + d.frac
	}
	if d.neg {
		s = "-" + s
	}
	return s
}

func (d decimal) negated() decimal {
	d.neg = !d.neg && (d.whole != "0" || d.frac != "")
	return d
}

func (d decimal) compare(e decimal) int {
	if d.neg != e.neg {
		if d.neg {
			return -1
		}
		return 1
	}
	c := cmp.Or(cmp.Compare(len(d.whole), len(e.whole)), cmp.Compare(d.whole, e.whole), cmp.Compare(d.frac, e.frac))
	if d.neg {
		return -c
	}
	return c
}
