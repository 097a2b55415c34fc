package scenario

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// In a schedule's text what an instruction sees is "sees ADDRESS=BYTES@STEP", the bytes in hexadecimal and in the
// order of memory, and what it leaves is "leaves ADDRESS=BYTES"; several are separated by commas.
const (
	seesWord   = " sees "
	leavesWord = " leaves "
)

// text is what comes behind the number of instructions.
func (y *Seeing) text() string {
	if y == nil {
		return ""
	}
	var sees, leaves []string
	for _, b := range y.Sees {
		sees = append(sees, fmt.Sprintf("%s@%d", b.text(), b.Step))
	}
	for _, b := range y.Leaves {
		leaves = append(leaves, b.text())
	}
	text := ""
	if len(sees) > 0 {
		text = seesWord + strings.Join(sees, ",")
	}
	if len(leaves) > 0 {
		text += leavesWord + strings.Join(leaves, ",")
	}
	return text
}

func (b Bytes) text() string { return fmt.Sprintf("%#x=%x", b.Addr, b.Data) }

// parseSeeing takes off the end of a text what Seeing.text writes, and nothing else.
func parseSeeing(text string) (rest string, y *Seeing, err error) {
	rest, leaves, left := strings.Cut(text, leavesWord)
	rest, sees, saw := strings.Cut(rest, seesWord)
	if !left && !saw {
		return text, nil, nil
	}
	y = &Seeing{}
	if saw {
		for _, one := range strings.Split(sees, ",") {
			one, step, _ := strings.Cut(one, "@")
			b, err := parseBytes(one)
			if err != nil {
				return "", nil, err
			}
			n, err := strconv.ParseUint(step, 10, 48)
			if err != nil {
				return "", nil, fmt.Errorf("%q: not the number of an instruction", step)
			}
			y.Sees = append(y.Sees, Seen{b, n})
		}
	}
	if left {
		for _, one := range strings.Split(leaves, ",") {
			b, err := parseBytes(one)
			if err != nil {
				return "", nil, err
			}
			y.Leaves = append(y.Leaves, b)
		}
	}
	if err := y.check(); err != nil {
		return "", nil, err
	}
	if y.text() != text[len(rest):] {
		return "", nil, fmt.Errorf("%q: not what an instruction sees and leaves", text[len(rest):])
	}
	return rest, y, nil
}

func parseBytes(text string) (Bytes, error) {
	at, data, _ := strings.Cut(text, "=")
	addr, err := strconv.ParseUint(strings.TrimPrefix(at, "0x"), 16, 64)
	if err != nil {
		return Bytes{}, fmt.Errorf("%q: not an address", at)
	}
	b, err := hex.DecodeString(data)
	if err != nil || len(data) > 2*widestSee {
		return Bytes{}, fmt.Errorf("%q: not the bytes at %#x", data, addr)
	}
	return Bytes{addr, b}, nil
}
