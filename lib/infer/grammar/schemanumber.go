package grammar

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// Digits of generated numbers, where a bound does not have more: integers fit in 64 bits, fractions in a float64.
const (
	wholeDigits = 18
	fracDigits  = 17
	expDigits   = 2
)

// limit is one end of a range.
type limit struct {
	decimal
	open bool // the number itself is not in the range
}

// numberRange is what a schema asks of numbers. Nil ends are infinite.
type numberRange struct {
	lo, hi    *limit
	integer   bool
	multiples []decimal
}

// atLeast narrows the range from below.
func (r *numberRange) atLeast(l limit) {
	if r.lo == nil || l.compare(r.lo.decimal) > 0 || l.compare(r.lo.decimal) == 0 && l.open {
		r.lo = &l
	}
}

// atMost narrows the range from above.
func (r *numberRange) atMost(l limit) {
	if r.hi == nil || l.compare(r.hi.decimal) < 0 || l.compare(r.hi.decimal) == 0 && l.open {
		r.hi = &l
	}
}

type numberPhase uint8

const (
	beforeNumber numberPhase = iota
	afterMinus
	afterZero // a whole part of 0, which no digit follows
	inWhole
	afterPoint
	inFrac
	afterE
	afterSign
	inExp
	noNumber
)

// numberState is what must be known of the beginning of a number.
type numberState struct {
	phase   numberPhase
	neg     bool
	digits  int    // of the whole part, the fraction or the exponent
	low, up int8   // how the digits compare with as many of the limits' on this side of zero
	rem     uint32 // the digits so far modulo the multiple
}

// numberMachine compares digit by digit: |x| against the absolute values of the two limits on x's side of zero.
type numberMachine struct {
	numberRange
	whole, frac int
	modulus     uint32 // x·10^places must be a multiple of it; 0: any
	places      int
	exponent    bool
}

func (r numberRange) dfa() (*dfa, error) {
	m := &numberMachine{numberRange: r, whole: wholeDigits, frac: fracDigits}
	for _, l := range []*limit{r.lo, r.hi} {
		if l != nil {
			m.whole, m.frac = max(m.whole, len(l.whole)), max(m.frac, len(l.frac)+1)
		}
	}
	if err := m.setMultiple(); err != nil {
		return nil, err
	}
	m.exponent = r.lo == nil && r.hi == nil && !r.integer && m.modulus == 0
	bounds := []rune{0, '+', '+' + 1, '-', '.', '.' + 1, '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '9' + 1, 'E', 'E' + 1, 'e', 'e' + 1}
	return explore(bounds, 1, numberState{}, numberState.key, m.step, m.accepts)
}

// setMultiple makes one multiple of all: x is a multiple of a/10^k and b/10^k where it is of lcm(a,b)/10^k.
func (m *numberMachine) setMultiple() error {
	for _, d := range m.multiples {
		m.places = max(m.places, len(d.frac))
	}
	all := uint64(1)
	for _, d := range m.multiples {
		digits := d.whole + d.frac
		for range m.places - len(d.frac) {
			digits += "0"
		}
		v, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || v == 0 {
			return fmt.Errorf("multipleOf %s: want a number above 0 with up to 9 digits", d)
		}
		all = all / gcd(all, v) * v
		if all > maxStates {
			return fmt.Errorf("multipleOf %s needs more than %d states: too many", d, maxStates)
		}
	}
	if len(m.multiples) > 0 {
		m.modulus, m.frac = uint32(all), m.places
	}
	return nil
}

func gcd(a, b uint64) uint64 {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

func (s numberState) key() string {
	b := []byte{byte(s.phase), 0, byte(s.low), byte(s.up)}
	if s.neg {
		b[1] = 1
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(s.digits))
	return string(binary.LittleEndian.AppendUint32(b, s.rem))
}

func (m *numberMachine) step(s numberState, r rune) numberState {
	none := numberState{phase: noNumber}
	digit := r >= '0' && r <= '9'
	switch s.phase {
	case beforeNumber, afterMinus:
		switch {
		case r == '-' && s.phase == beforeNumber:
			return numberState{phase: afterMinus, neg: true}
		case r == '0':
			s.phase = afterZero
			return m.read(s, r)
		case digit:
			s.phase = inWhole
			return m.read(s, r)
		}
	case afterZero, inWhole:
		switch {
		case digit && s.phase == inWhole && s.digits < m.whole:
			return m.read(s, r)
		case r == '.' && !m.integer && m.frac > 0:
			s.low, s.up = m.settle(s)
			s.phase, s.digits = afterPoint, 0
			return s
		}
		return m.exp(s, r)
	case afterPoint, inFrac:
		switch {
		case digit && s.digits < m.frac:
			s.phase = inFrac
			return m.read(s, r)
		case s.phase == inFrac:
			return m.exp(s, r)
		}
	case afterE, afterSign, inExp:
		switch {
		case digit && s.digits < expDigits:
			return numberState{phase: inExp, digits: s.digits + 1}
		case (r == '+' || r == '-') && s.phase == afterE:
			return numberState{phase: afterSign}
		}
	}
	return none
}

func (m *numberMachine) exp(s numberState, r rune) numberState {
	if (r == 'e' || r == 'E') && m.exponent {
		return numberState{phase: afterE}
	}
	return numberState{phase: noNumber}
}

// limits are those of |x| for x on the side of zero that s is on.
func (m *numberMachine) limits(neg bool) (low, up *limit) {
	if !neg {
		return m.lo, m.hi
	}
	if m.hi != nil {
		low = &limit{m.hi.negated(), m.hi.open}
	}
	if m.lo != nil {
		up = &limit{m.lo.negated(), m.lo.open}
	}
	return low, up
}

// read takes a digit of the whole part or the fraction.
func (m *numberMachine) read(s numberState, r rune) numberState {
	low, up := m.limits(s.neg)
	against := func(l *limit, so int8) int8 {
		if l == nil || so != 0 {
			return so
		}
		digits := l.whole
		if s.phase == inFrac {
			digits = l.frac
		}
		d := byte('0')
		if s.digits < len(digits) {
			d = digits[s.digits]
		} else if s.phase != inFrac {
			return 1
		}
		return int8(min(1, max(-1, int(byte(r))-int(d))))
	}
	s.low, s.up = against(low, s.low), against(up, s.up)
	s.digits++
	if m.modulus > 0 {
		s.rem = uint32((uint64(s.rem)*10 + uint64(r-'0')) % uint64(m.modulus))
	}
	return s
}

// settle compares |x| with the limits where the whole part ends: what has fewer digits is less, what has more is greater.
func (m *numberMachine) settle(s numberState) (low, up int8) {
	l, u := m.limits(s.neg)
	by := func(l *limit, so int8) int8 {
		switch {
		case l == nil:
			return so
		case s.digits < len(l.whole):
			return -1
		case s.digits > len(l.whole):
			return 1
		}
		return so
	}
	return by(l, s.low), by(u, s.up)
}

func (m *numberMachine) accepts(s numberState) bool {
	switch s.phase {
	case inExp:
		return true
	case afterZero, inWhole:
		if s.neg && s.phase == afterZero && m.integer {
			return false
		}
		s.low, s.up = m.settle(s)
		s.digits = 0
	case inFrac:
	default:
		return false
	}
	low, up := m.limits(s.neg)
	return within(low, s.low, s.digits, 1) && within(up, s.up, s.digits, -1) && m.divides(s)
}

// within reports whether x, which compares as so with l, so far, is on the side of it.
func within(l *limit, so int8, digits int, side int8) bool {
	if l == nil {
		return true
	}
	if so == 0 && digits < len(l.frac) { // digits that x does not have are zeros, and l's last digit is not
		so = -1
	}
	if l.neg { // |x| is above any limit below zero
		so = 1
	}
	return so == side || so == 0 && !l.open
}

func (m *numberMachine) divides(s numberState) bool {
	rem := uint64(s.rem)
	if m.modulus == 0 {
		return true
	}
	for range m.places - s.digits {
		rem = rem * 10 % uint64(m.modulus)
	}
	return rem == 0
}
