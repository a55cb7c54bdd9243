package arith

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// story is a kind of word problem: quantities are drawn, its steps computed, and the words filled in.
type story struct {
	question string // %a %b %c: quantities, %n: a name, %t: a thing
	steps    []step
	draw     func(r *rand.Rand) []int
}

// step computes a value from two earlier ones: indices into the quantities, then into the steps' results.
type step struct {
	text string // before the calculation
	a    int
	op   byte
	b    int
}

// language has the words of one language.
type language struct {
	names, things []string
	stories       []story
}

func between(r *rand.Rand, lo, hi int) int { return lo + r.IntN(hi-lo+1) }

func threeOf(lo, hi int) func(*rand.Rand) []int {
	return func(r *rand.Rand) []int { return []int{between(r, lo, hi), between(r, lo, hi), between(r, lo, hi)} }
}

// lessThanSum draws a third quantity below the sum of the first two.
func lessThanSum(r *rand.Rand) []int {
	a, b := between(r, 3, 60), between(r, 3, 60)
	return []int{a, b, between(r, 1, a+b-1)}
}

// boxes draws boxes, things in each, and people who share them evenly.
func boxes(r *rand.Rand) []int {
	people := between(r, 2, 9)
	return []int{people * between(r, 1, 9), between(r, 2, 20), people}
}

// shopping draws a count, a price, and a sum of money that suffices.
func shopping(r *rand.Rand) []int {
	n, price := between(r, 2, 12), between(r, 2, 25)
	return []int{n, price, n*price + between(r, 1, 50)}
}

var english = language{
	names:  []string{"Ada", "Ken", "Grace", "Rob", "Barbara", "Edsger", "Donald", "Frances", "Tony", "Margaret"},
	things: []string{"apples", "pencils", "stamps", "shells", "books", "marbles", "cards", "buttons"},
	stories: []story{
		{"%n has %a %t, gets %b more, and gives %c away. How many %t does %n have now?",
			[]step{{"First there are", 0, '+', 1}, {"Then there are", 3, '-', 2}}, lessThanSum},
		{"%a boxes hold %b %t each. %c people share them evenly. How many %t does each one get?",
			[]step{{"In all there are", 0, '*', 1}, {"Each one gets", 3, '/', 2}}, boxes},
		{"%n buys %a %t for $%b each and pays with $%c. How many dollars does %n get back?",
			[]step{{"The price is", 0, '*', 1}, {"The change is", 2, '-', 3}}, shopping},
		{"%n reads %a pages a day for %b days, and then %c pages more. How many pages did %n read?",
			[]step{{"In those days %n read", 0, '*', 1}, {"Altogether that is", 3, '+', 2}}, threeOf(2, 40)},
	},
}

var chinese = language{
	names:  []string{"小明", "小红", "小华", "小丽", "小刚", "小芳", "小军", "小燕"},
	things: []string{"苹果", "铅笔", "邮票", "贝壳", "书", "弹珠", "卡片", "纽扣"},
	stories: []story{
		{"%n有%a个%t，又得到%b个，然后送给别人%c个。%n现在有多少个%t？",
			[]step{{"先有", 0, '+', 1}, {"剩下", 3, '-', 2}}, lessThanSum},
		{"有%a个盒子，每盒有%b个%t，平均分给%c个人。每人得到多少个%t？",
			[]step{{"一共有", 0, '*', 1}, {"每人得到", 3, '/', 2}}, boxes},
		{"%n买了%a个%t，每个%b元，付了%c元。应找回多少元？",
			[]step{{"总价是", 0, '*', 1}, {"找回", 2, '-', 3}}, shopping},
		{"%n每天读%a页书，读了%b天，又读了%c页。%n一共读了多少页？",
			[]step{{"这些天读了", 0, '*', 1}, {"一共读了", 3, '+', 2}}, threeOf(2, 40)},
	},
}

func word(r *rand.Rand, l language) Problem {
	s := l.stories[r.IntN(len(l.stories))]
	values := s.draw(r)
	words := strings.NewReplacer("%n", l.names[r.IntN(len(l.names))], "%t", l.things[r.IntN(len(l.things))],
		"%a", strconv.Itoa(values[0]), "%b", strconv.Itoa(values[1]), "%c", strconv.Itoa(values[2]))
	var b strings.Builder
	for _, st := range s.steps {
		x, y := values[st.a], values[st.b]
		v := apply(st.op, x, y)
		values = append(values, v)
		text := fmt.Sprintf("%d%c%d", x, st.op, y)
		fmt.Fprintf(&b, "%s %s = <<%s=%d>>%d\n", words.Replace(st.text), text, text, v, v)
	}
	answer := strconv.Itoa(values[len(values)-1])
	return Problem{Question: words.Replace(s.question), Solution: b.String() + "#### " + answer, Answer: answer}
}

func apply(op byte, x, y int) int {
	switch op {
	case '+':
		return x + y
	case '-':
		return x - y
	case '*':
		return x * y
	}
	return x / y
}
