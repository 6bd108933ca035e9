package value_test

import (
	"fmt"

	"everloop/engine/value"
)

func Example() {
	data, err := value.Marshal(value.Map{{Key: "room", Value: []any{1, "two", value.Undefined{}}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(value.Format(data))

	var rooms map[string][]any
	if err := value.Unmarshal(data, &rooms); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rooms["room"][1])
	// Output:
	// Map{"room" => [1, "two", undefined]}
	// two
}

// A reader that sums the numbers of an array, without allocating.
func ExampleReader() {
	data := value.AppendArrayHeader(nil, 3)
	for _, f := range []float64{1, 2.5, 40} {
		data = value.AppendNumber(data, f)
	}
	r := value.NewReader(data)
	sum := 0.0
	for range r.Next().N {
		t := r.Next()
		f, ok := t.Number()
		if !ok {
			r.Fail(value.ErrUnsupported, "%v where a number is wanted", t.Kind)
		}
		sum += f
	}
	fmt.Println(sum, r.Finish())
	// Output: 43.5 <nil>
}

// const a = {n: 1}; [a, a]
func ExampleSharing() {
	var sharing value.Sharing
	dst := value.AppendArrayHeader(nil, 2)
	a := len(dst)
	dst = value.AppendMapHeader(dst, 1)
	dst = value.AppendInt(value.AppendString(dst, "n"), 1)
	dst = sharing.AppendRef(dst, a)
	dst = sharing.Finish(dst)
	fmt.Printf("%x\n%s\n", dst, value.Format(dst))
	// Output:
	// 82d81ca1616e01d81d00
	// [&0 {n: 1}, *0]
}
