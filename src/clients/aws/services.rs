//! The services that are asked without an SDK of their own, and where they are. An SDK for each would take more room, and
//! more time to build, than everything that is said to it.

use crate::domain::Region;

/// A service, as its model in botocore has it: `serviceId`, `endpointPrefix`, `signingName`, and its endpoint rule set.
#[derive(Debug)]
pub(super) struct Service {
    /// Variables and profiles call it so.
    pub(super) id: &'static str,
    /// The host's first part.
    host: &'static str,
    /// The same where FIPS 140 is asked for.
    fips_host: &'static str,
    /// What differs from the usual.
    special: Special,
    /// What signatures are for.
    pub(super) signs_as: &'static str,
    pub(super) wire: Wire,
}

/// Where a service differs from the usual in how its hosts are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    /// Nowhere; its usual hosts in GovCloud are the FIPS ones.
    Nothing,
    /// GovCloud has FIPS hosts beside the usual ones.
    FipsInGov,
    /// The same, and most usual hosts are reached by both versions of IP.
    FipsInGovAlwaysDual,
    /// Each partition has it once.
    Global,
}

/// How it is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    /// Documents; the operation's name follows this in a header (`targetPrefix`).
    Json { target: &'static str },
    /// Forms, answered with XML (`apiVersion`).
    Query { version: &'static str },
}

/// Amazon Elastic Container Registry.
pub(super) const ECR: Service = Service {
    id: "ECR",
    host: "api.ecr",
    fips_host: "api.ecr-fips",
    special: Special::FipsInGov,
    signs_as: "ecr",
    wire: Wire::Json { target: "AmazonEC2ContainerRegistry_V20150921" },
};

/// Application Auto Scaling.
pub(super) const AUTO_SCALING: Service = Service {
    id: "Application Auto Scaling",
    host: "application-autoscaling",
    fips_host: "application-autoscaling-fips",
    special: Special::Nothing,
    signs_as: "application-autoscaling",
    wire: Wire::Json { target: "AnyScaleFrontendService" },
};

/// AWS CodeDeploy.
pub(super) const CODE_DEPLOY: Service = Service {
    id: "CodeDeploy",
    host: "codedeploy",
    fips_host: "codedeploy-fips",
    special: Special::FipsInGov,
    signs_as: "codedeploy",
    wire: Wire::Json { target: "CodeDeploy_20141006" },
};

/// CloudWatch Logs.
pub(super) const LOGS: Service = Service {
    id: "CloudWatch Logs",
    host: "logs",
    fips_host: "logs-fips",
    special: Special::Nothing,
    signs_as: "logs",
    wire: Wire::Json { target: "Logs_20140328" },
};

/// AWS Secrets Manager.
pub(super) const SECRETS: Service = Service {
    id: "Secrets Manager",
    host: "secretsmanager",
    fips_host: "secretsmanager-fips",
    special: Special::FipsInGovAlwaysDual,
    signs_as: "secretsmanager",
    wire: Wire::Json { target: "secretsmanager" },
};

/// The Parameter Store, a part of AWS Systems Manager.
pub(super) const PARAMETERS: Service = Service {
    id: "SSM",
    host: "ssm",
    fips_host: "ssm-fips",
    special: Special::Nothing,
    signs_as: "ssm",
    wire: Wire::Json { target: "AmazonSSM" },
};

/// Elastic Load Balancing, of Application and Network Load Balancers.
pub(super) const LOAD_BALANCING: Service = Service {
    id: "Elastic Load Balancing v2",
    host: "elasticloadbalancing",
    fips_host: "elasticloadbalancing-fips",
    special: Special::Nothing,
    signs_as: "elasticloadbalancing",
    wire: Wire::Query { version: "2015-12-01" },
};

/// AWS Identity and Access Management, which each partition has once.
pub(super) const IAM: Service = Service {
    id: "IAM",
    host: "iam",
    fips_host: "iam-fips",
    special: Special::Global,
    signs_as: "iam",
    wire: Wire::Query { version: "2010-05-08" },
};

impl Service {
    /// The name of its host.
    pub(super) fn host(&self, region: &Region, fips: bool, dual_stack: bool) -> String {
        let (partition, domain) = (region.partition(), region.domain());
        let dual_stack = match self.special {
            Special::Global => return self.global_host(region, fips, dual_stack),
            Special::FipsInGovAlwaysDual if matches!(partition, "aws" | "aws-us-gov") => false,
            Special::FipsInGovAlwaysDual if partition == "aws-cn" => dual_stack && fips,
            _ => dual_stack,
        };
        let has_fips = partition != "aws-us-gov" || self.special != Special::Nothing || dual_stack;
        let host = if fips && has_fips { self.fips_host } else { self.host };
        if dual_stack {
            return format!("{}.{region}.{}", host.trim_start_matches("api."), region.dual_stack_domain());
        }
        format!("{host}.{region}.{domain}")
    }

    /// Where one is for a whole partition, and mostly not named after a region.
    fn global_host(&self, region: &Region, fips: bool, dual_stack: bool) -> String {
        let host = if fips { self.fips_host } else { self.host };
        let domain = if dual_stack { region.dual_stack_domain() } else { region.domain() };
        match (region.partition(), fips, dual_stack) {
            ("aws-us-gov", ..) => format!("{}.us-gov.{domain}", self.host),
            ("aws", _, true) | ("aws-cn" | "aws-eusc", false, true) => format!("{host}.global.{domain}"),
            ("aws", ..) | (_, _, true) => format!("{host}.{domain}"),
            ("aws-iso" | "aws-iso-b", ..) | (_, false, _) => format!("{host}.{}.{domain}", self.signing_region(region)),
            _ => format!("{host}.{domain}"),
        }
    }

    /// The region that signatures name.
    pub(super) fn signing_region<'a>(&self, region: &'a Region) -> &'a str {
        match region.partition() {
            _ if self.special != Special::Global => region.as_str(),
            "aws" => "us-east-1",
            "aws-cn" => "cn-north-1",
            "aws-us-gov" => "us-gov-west-1",
            "aws-iso" => "us-iso-east-1",
            "aws-iso-b" => "us-isob-east-1",
            "aws-iso-f" => "us-isof-south-1",
            // The others have one region.
            _ => region.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_is_found_where_aws_says() {
        for (service, region, fips, dual_stack, host) in [
            (&ECR, "eu-west-1", false, false, "api.ecr.eu-west-1.amazonaws.com"),
            (&ECR, "eu-west-1", false, true, "ecr.eu-west-1.api.aws"),
            (&ECR, "us-gov-west-1", true, false, "api.ecr-fips.us-gov-west-1.amazonaws.com"),
            (&ECR, "cn-north-1", false, false, "api.ecr.cn-north-1.amazonaws.com.cn"),
            (&LOGS, "us-east-1", true, false, "logs-fips.us-east-1.amazonaws.com"),
            (&LOGS, "us-gov-west-1", true, false, "logs.us-gov-west-1.amazonaws.com"),
            (&LOGS, "us-gov-west-1", true, true, "logs-fips.us-gov-west-1.api.aws"),
            (&LOGS, "eusc-de-east-1", false, false, "logs.eusc-de-east-1.amazonaws.eu"),
            (&PARAMETERS, "eu-west-1", false, true, "ssm.eu-west-1.api.aws"),
            (&SECRETS, "us-gov-east-1", true, false, "secretsmanager-fips.us-gov-east-1.amazonaws.com"),
            (
                &AUTO_SCALING,
                "cn-north-1",
                false,
                true,
                "application-autoscaling.cn-north-1.api.amazonwebservices.com.cn",
            ),
            (&CODE_DEPLOY, "us-gov-east-1", true, false, "codedeploy-fips.us-gov-east-1.amazonaws.com"),
            (&CODE_DEPLOY, "eusc-de-east-1", false, true, "codedeploy.eusc-de-east-1.api.amazonwebservices.eu"),
            (&LOAD_BALANCING, "eu-west-1", true, false, "elasticloadbalancing-fips.eu-west-1.amazonaws.com"),
            (&LOAD_BALANCING, "us-gov-west-1", true, false, "elasticloadbalancing.us-gov-west-1.amazonaws.com"),
            (&IAM, "eu-west-1", false, false, "iam.amazonaws.com"),
            (&IAM, "eu-west-1", true, false, "iam-fips.amazonaws.com"),
            (&IAM, "eu-west-1", false, true, "iam.global.api.aws"),
            (&IAM, "eu-west-1", true, true, "iam-fips.global.api.aws"),
            (&IAM, "cn-northwest-1", false, false, "iam.cn-north-1.amazonaws.com.cn"),
            (&IAM, "cn-north-1", true, false, "iam-fips.amazonaws.com.cn"),
            (&IAM, "cn-north-1", false, true, "iam.global.api.amazonwebservices.com.cn"),
            (&IAM, "us-gov-east-1", true, false, "iam.us-gov.amazonaws.com"),
            (&IAM, "us-gov-east-1", false, true, "iam.us-gov.api.aws"),
            (&IAM, "eusc-de-east-1", false, false, "iam.eusc-de-east-1.amazonaws.eu"),
            (&IAM, "eusc-de-east-1", true, true, "iam-fips.api.amazonwebservices.eu"),
            (&IAM, "us-iso-west-1", false, false, "iam.us-iso-east-1.c2s.ic.gov"),
            (&IAM, "us-iso-east-1", false, true, "iam.api.aws.ic.gov"),
            (&IAM, "us-isob-east-1", true, false, "iam-fips.us-isob-east-1.sc2s.sgov.gov"),
            (&IAM, "us-isof-south-1", true, false, "iam-fips.csp.hci.ic.gov"),
            (&IAM, "eu-isoe-west-1", false, false, "iam.eu-isoe-west-1.cloud.adc-e.uk"),
            (&CODE_DEPLOY, "us-iso-east-1", false, false, "codedeploy.us-iso-east-1.c2s.ic.gov"),
            (
                &LOAD_BALANCING,
                "eu-isoe-west-1",
                false,
                true,
                "elasticloadbalancing.eu-isoe-west-1.api.cloud-aws.adc-e.uk",
            ),
            (&SECRETS, "eu-west-1", false, true, "secretsmanager.eu-west-1.amazonaws.com"),
            (&SECRETS, "us-gov-west-1", true, true, "secretsmanager-fips.us-gov-west-1.amazonaws.com"),
            (&SECRETS, "cn-north-1", false, true, "secretsmanager.cn-north-1.amazonaws.com.cn"),
            (&SECRETS, "cn-north-1", true, true, "secretsmanager-fips.cn-north-1.api.amazonwebservices.com.cn"),
            (&SECRETS, "eusc-de-east-1", false, true, "secretsmanager.eusc-de-east-1.api.amazonwebservices.eu"),
        ] {
            assert_eq!(service.host(&region.parse().expect("a region"), fips, dual_stack), host);
        }
    }

    #[test]
    fn what_a_partition_has_once_is_signed_for_one_region() {
        for (service, region, signed) in [
            (&IAM, "eu-west-1", "us-east-1"),
            (&IAM, "cn-northwest-1", "cn-north-1"),
            (&IAM, "us-gov-east-1", "us-gov-west-1"),
            (&ECR, "eu-west-1", "eu-west-1"),
        ] {
            assert_eq!(service.signing_region(&region.parse().expect("a region")), signed);
        }
    }
}
