// Scrapes as a controller does that reads metrics with prometheus/common's expfmt: each line of stdin is a scrape, and
// each line of stdout its series or its error.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

type scrape struct {
	URL             string `json:"url"`
	Accept          string `json:"accept"`
	CaFile          string `json:"caFile"`
	CertificateFile string `json:"certificateFile"`
	KeyFile         string `json:"keyFile"`
	TokenFile       string `json:"tokenFile"`
}

type result struct {
	Series []string `json:"series"`
	Error  string   `json:"error,omitempty"`
}

// Of prom2json, which others have copied.
const usualAccept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7," +
	"text/plain;version=0.0.4;q=0.3"

func main() {
	clients := map[scrape]*http.Client{}
	lines := bufio.NewScanner(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var given scrape
		if err := json.Unmarshal(lines.Bytes(), &given); err != nil {
			panic(err)
		}
		if clients[given] == nil {
			client, err := clientOf(given)
			if err != nil {
				panic(err)
			}
			clients[given] = client
		}
		series, err := seriesOf(clients[given], given)
		answer := result{Series: series}
		if err != nil {
			answer = result{Error: err.Error()}
		}
		if err := output.Encode(answer); err != nil {
			panic(err)
		}
	}
}

func clientOf(given scrape) (*http.Client, error) {
	config := &tls.Config{}
	if given.CaFile != "" {
		pem, err := os.ReadFile(given.CaFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(pem)
	}
	if given.CertificateFile != "" {
		pair, err := tls.LoadX509KeyPair(given.CertificateFile, given.KeyFile)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config}}, nil
}

func seriesOf(client *http.Client, given scrape) ([]string, error) {
	request, err := http.NewRequest(http.MethodGet, given.URL, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", usualAccept)
	if given.Accept != "" {
		request.Header.Set("Accept", given.Accept)
	}
	if given.TokenFile != "" {
		token, err := os.ReadFile(given.TokenFile)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", response.Status)
	}
	decoder := expfmt.NewDecoder(response.Body, expfmt.Format(response.Header.Get("Content-Type")))
	series := []string{}
	for {
		var family dto.MetricFamily
		err := decoder.Decode(&family)
		if errors.Is(err, io.EOF) {
			return series, nil
		}
		if err != nil {
			return nil, err
		}
		samples, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{Timestamp: model.Now()}, &family)
		if err != nil {
			return nil, err
		}
		for _, sample := range samples {
			series = append(series, fmt.Sprintf("%s %s", sample.Metric, sample.Value))
		}
	}
}
