package replay

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"emurace/heap"
	"emurace/scenario"
)

// TestBackwardsFacts: what is told of a death from its end back, and what of one of which less is known.
func TestBackwardsFacts(t *testing.T) {
	all := []FactKind{FactCore, FactStack, FactRegister, FactPlace, FactElsewhere, FactAlike, FactWho, FactSequence}
	other := &heap.Block{Addr: 0x40010, Size: 0x228}
	for name, c := range map[string]struct {
		later  *later
		change func(x *Explanation)
		kinds  []FactKind
		says   map[FactKind]string
	}{
		"whole": {&later{0x40010, other, 68, []uint64{2, 3, 4, 5}, []uint64{0, 1, 66}}, nil, all, map[FactKind]string{
			FactCore:      "Worker waits in grow(1).",
			FactRegister:  "x19 = 0x220, and nothing is mapped there: the process has no memory at that address.",
			FactPlace:     "Main had found the block by environ. That is 0x40010 now: a block of 0x228 (552) bytes, which is in use.\nIts first 68 words are addresses of memory",
			FactElsewhere: "0x220 was loaded from 0x10220. The block that environ leads to is from 0x40010 to 0x40237: this is 196,080 bytes before it, in another block.",
			FactAlike:     "Of the 7 words that both blocks have, 4 are the same: words 2 to 5. So the one is a copy of the other.\nNot the same: words 0, 1 and 66.\n0x220 was loaded from word 66 of the old one, which held 0 (NULL) until",
			FactWho:       "0x220 (544) is the size of the chunk that is being freed.",
			FactSequence:  "Instruction 5: main reads environ, and has the address of the block.\nInstruction 20: worker begins",
		}},
		"no copy": {&later{0x40010, other, 0, []uint64{2}, []uint64{0, 1, 66}}, nil, []FactKind{FactCore, FactStack, FactRegister, FactPlace, FactElsewhere, FactWho, FactSequence},
			map[FactKind]string{FactPlace: "which is in use."}},
		"no block":      {&later{value: 0}, nil, []FactKind{FactCore, FactStack, FactRegister, FactPlace, FactWho, FactSequence}, map[FactKind]string{FactPlace: "That is 0x0 now, which is no address in it."}},
		"it stays":      {&later{value: 0x10010}, nil, []FactKind{FactCore, FactStack, FactRegister, FactPlace, FactWho, FactSequence}, map[FactKind]string{FactPlace: "That is 0x10010 still, and leads to it: 0x218 bytes, "}},
		"not found":     {nil, func(x *Explanation) { x.use = blockUse{} }, []FactKind{FactCore, FactStack, FactRegister, FactWho}, nil},
		"nobody wrote":  {nil, func(x *Explanation) { x.use, x.Sources = blockUse{}, Sources{} }, []FactKind{FactCore, FactStack, FactRegister}, nil},
		"no block ever": {nil, func(x *Explanation) { x.use, x.Allocation = blockUse{}, nil }, []FactKind{FactCore, FactStack, FactRegister, FactWho}, map[FactKind]string{FactWho: "at 0x10220"}},
		"not loaded":    {nil, func(x *Explanation) { x.Load = nil }, nil, nil},
		"no fault":      {nil, func(x *Explanation) { x.Outcome = scenario.Outcome{Kind: scenario.Deadlock, Thread: -1}; x.At = nil }, nil, nil},
	} {
		x := madeUp()
		x.use.later, x.use.walks = c.later, "x20"
		if c.change != nil {
			c.change(x)
		}
		var kinds []FactKind
		for _, f := range x.Backwards() {
			kinds = append(kinds, f.Kind)
			long := strings.Join(f.Long, "\n")
			if f.Title == "" || long == "" || len(f.Ask) == 0 && f.Kind != FactSequence || strings.Contains(f.Title+long, "%!") || len(f.Short) > 0 {
				t.Errorf("%s: %+v", name, f)
			}
			if want := c.says[f.Kind]; !strings.Contains(long, want) {
				t.Errorf("%s: card %d does not say %q:\n%s", name, f.Kind, want, long)
			}
		}
		if !slices.Equal(kinds, c.kinds) {
			t.Errorf("%s: %v, want %v", name, kinds, c.kinds)
		}
	}
}

// TestRanges: the text of some words names those and no others, as long as it names all.
func TestRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := rapid.SliceOfNDistinct(rapid.Uint64Range(0, 40), 1, 20, rapid.ID).Draw(t, "words")
		slices.Sort(set)
		text := ranges(set)
		if strings.HasSuffix(text, "and more") {
			return
		}
		var got []uint64
		fields := strings.FieldsFunc(strings.NewReplacer("words ", "", "word ", "", " and ", ", ").Replace(text), func(r rune) bool { return r == ',' })
		for _, f := range fields {
			from, to, span := strings.Cut(strings.TrimSpace(f), " to ")
			if !span {
				to = from
			}
			a, errA := strconv.ParseUint(from, 10, 64)
			b, errB := strconv.ParseUint(to, 10, 64)
			if errA != nil || errB != nil {
				t.Fatalf("%q of %v", text, set)
			}
			for ; a <= b; a++ {
				got = append(got, a)
			}
		}
		if !slices.Equal(got, set) {
			t.Fatalf("%q are %v, want %v", text, got, set)
		}
	})
}

// TestOverwrittenText: what is said of a free chunk's first words is said of those and no others.
func TestOverwrittenText(t *testing.T) {
	for _, c := range []struct {
		words []uint64
		lists string
		want  string
	}{
		{nil, "", ""},
		{[]uint64{1, 0}, "main_arena", "Words 0 and 1 have been overwritten just before, with what malloc keeps in the first words of a free chunk: its links, for free chunks are in lists. They lead to main_arena, the variable in which malloc keeps where its lists begin and end."},
		{[]uint64{0}, "", "Word 0 has been overwritten just before, with what malloc keeps in the first words of a free chunk."},
		{[]uint64{0, 1}, "table", "Words 0 and 1 have been overwritten just before, with what malloc keeps in the first words of a free chunk."},
		{[]uint64{0, 1, 7}, "main_arena", ""}, // somebody else has written there, too
		{[]uint64{0, 1, 2, 3, 4, 5}, "", ""},
	} {
		if got := (&blockUse{overwritten: c.words, lists: c.lists}).overwrittenText(); got != c.want {
			t.Errorf("%v, %s: %q, want %q", c.words, c.lists, got, c.want)
		}
	}
}

// TestLastWord: why it takes an even number of entries is said of blocks that grow by a word, and of no
// others: realloc to more would not find room in the chunk's spare word, and free does not ask.
func TestLastWord(t *testing.T) {
	for _, c := range []struct {
		size, chunk uint64
		call        heap.Call
		notes       int
		even        bool
	}{
		{0x218, 0x220, heap.Call{Func: "realloc", Args: [6]uint64{0x10010, 0x220}}, 1, true},
		{0x218, 0x220, heap.Call{Func: "reallocarray", Args: [6]uint64{0x10010, 0x44, 8}}, 1, true},
		{0x218, 0x220, heap.Call{Func: "realloc", Args: [6]uint64{0x10010, 0x228}}, 1, false},
		{0x218, 0x220, heap.Call{Func: "realloc", Args: [6]uint64{0x10010, 8}}, 1, false},
		{0x218, 0x220, heap.Call{Func: "free", Args: [6]uint64{0x10010}}, 1, false},
		{0x210, 0x220, heap.Call{Func: "realloc", Args: [6]uint64{0x10010, 0x218}}, 0, false},
	} {
		x := &Explanation{Meaning: heap.Meaning{Kind: heap.MallocSize, Foot: true}, Allocation: &Allocation{Block: heap.Block{Size: c.size, ChunkSize: c.chunk, Freed: &c.call}}}
		notes := x.lastWord()
		if len(notes) != c.notes {
			t.Errorf("%+v: %d notes", c, len(notes))
			continue
		}
		for _, n := range notes {
			even := strings.Contains(strings.Join(n.Text, " "), "an even number of entries before it, here 66")
			if even != c.even || strings.Contains(n.Title, "even") != c.even {
				t.Errorf("%+v: %q %q", c, n.Title, n.Text)
			}
		}
	}
}
